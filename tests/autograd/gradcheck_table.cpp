#include "tests/autograd/gradcheck_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "autograd/ops.h"

namespace attune::testing {
namespace {

using Tensors = std::vector<Tensor>;

// Elementwise ops.

using Unary = Tensor (*)(Operand);
using Binary = Tensor (*)(Operand, Operand);

Row elementwise(std::string op, Unary f, double low = -2, double high = 2) {
  return {
      std::move(op), [=](Draw& draw) -> Example {
        return {[f](const Tensors& x) { return f(x[0]); }, {draw.leaf(draw.shape(), low, high)}};
      }};
}

// For functions with a kink at some even multiple of 0.1.
Row kinked(std::string op, Tensor (*f)(const Tensor&)) {
  return {std::move(op), [=](Draw& draw) -> Example {
            return {[f](const Tensors& x) { return f(x[0]); }, {draw.distinct(draw.shape())}};
          }};
}

Row broadcasting(std::string op, Binary f, double low = -2, double high = 2) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const Shape shape = draw.shape();
            return {[f](const Tensors& x) { return f(x[0], x[1]); },
                    {draw.leaf(draw.broadcasting_to(shape), low, high),
                     draw.leaf(draw.broadcasting_to(shape), low, high)}};
          }};
}

// For functions with a kink where their arguments are equal.
Row choosing(std::string op, Binary f) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const Shape shape = draw.shape();
            return {[f](const Tensors& x) { return f(x[0], x[1] + 0.1); },
                    {draw.distinct(draw.broadcasting_to(shape)),
                     draw.distinct(draw.broadcasting_to(shape))}};
          }};
}

Row with_number(std::string op, Tensor (*f)(const Tensor&, double), double low = -2,
                double high = 2) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const double number = draw.real(0.5, 2) * (draw.coin() ? 1 : -1);
            return {[=](const Tensors& x) { return f(x[0], number); },
                    {draw.leaf(draw.shape(), low, high)},
                    fmt::format("{}", number)};
          }};
}

// Of negative numbers only whole powers are numbers.
Example draw_power(Draw& draw) {
  const bool whole = draw.coin();
  const double p = whole ? static_cast<double>(draw.integer(0, 4)) : draw.real(-2, 2);
  return {[p](const Tensors& x) { return pow(x[0], p); },
          {draw.leaf(draw.shape(), whole ? -2 : 0.5, 2)},
          fmt::format("exponent {}", p)};
}

std::vector<Row> arithmetic() {
  return {
      broadcasting("add(Operand, Operand)", add),
      broadcasting("sub(Operand, Operand)", sub),
      broadcasting("mul(Operand, Operand)", mul),
      broadcasting("div(Operand, Operand)", div, 0.5, 2),
      broadcasting("pow(Operand, Operand)", pow, 0.5, 2),
      choosing("maximum", maximum),
      choosing("minimum", minimum),
      elementwise("neg", neg),
      with_number("add(Operand, Scalar)", [](const Tensor& x, double b) { return add(x, b); }),
      with_number("sub(Operand, Scalar)", [](const Tensor& x, double b) { return sub(x, b); }),
      with_number("sub(Scalar, Operand)", [](const Tensor& x, double a) { return sub(a, x); }),
      with_number("mul(Operand, Scalar)", [](const Tensor& x, double b) { return mul(x, b); }),
      with_number("div(Operand, Scalar)", [](const Tensor& x, double b) { return div(x, b); }),
      with_number(
          "div(Scalar, Operand)", [](const Tensor& x, double a) { return div(a, x); }, 0.5, 2),
      {"pow(Operand, Scalar)", draw_power},
  };
}

std::vector<Row> functions_of_one_number() {
  return {
      elementwise("exp", exp),
      elementwise("expm1", expm1),
      elementwise("log", log, 0.3, 3),
      elementwise("log1p", log1p, -0.7, 2),
      elementwise("sqrt", sqrt, 0.3, 3),
      elementwise("reciprocal", reciprocal, -2, -0.5),
      elementwise("square", square),
      elementwise("sin", sin),
      elementwise("cos", cos),
      elementwise("tanh", tanh),
      elementwise("sigmoid", sigmoid, -4, 4),
      elementwise("erf", erf),
      elementwise("silu", silu, -4, 4),
      elementwise("softplus", softplus, -4, 4),
      elementwise("gelu", gelu, -4, 4),
      elementwise("gelu_tanh", gelu_tanh, -4, 4),
      kinked("abs", [](const Tensor& x) { return abs(x); }),
      kinked("relu", [](const Tensor& x) { return relu(x); }),
      kinked("leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.3); }),
      kinked("clamp", [](const Tensor& x) { return clamp(x, -0.4, 0.2); }),
  };
}

// For ops of one tensor and a dimension of it, or as many more as said.
Row along_dim(std::string op, Tensor (*f)(const Tensor&, std::int64_t), std::int64_t min_rank,
              std::size_t more_dims = 0) {
  return {
      std::move(op), [=](Draw& draw) -> Example {
        const Tensor x = draw.leaf(draw.shape(min_rank));
        const std::int64_t dim = draw.dim(x.rank() + more_dims);
        return {[=](const Tensors& in) { return f(in[0], dim); }, {x}, fmt::format("dim {}", dim)};
      }};
}

// Reductions and products.

using Reduce = Tensor (*)(const Tensor&, const Dims&, bool);

Row reduction(std::string op, Reduce f) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const Tensor x = draw.leaf(draw.shape());
            const Dims dims = draw.dims(x.rank());
            const bool keepdim = draw.coin();
            return {[=](const Tensors& in) { return f(in[0], dims, keepdim); },
                    {x},
                    fmt::format("dims {}{}", to_string(dims), keepdim ? ", keepdim" : "")};
          }};
}

// For reductions that are not smooth where two elements are equal, or have no value for none.
Row choice(std::string op, Reduce f) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const Shape shape = draw.shape();
            const bool empty = numel(shape) == 0;
            const Tensor x = draw.distinct(empty ? Shape{2, 0, 3} : shape);
            const Dims dims = empty ? Dims{0, -1} : draw.dims(x.rank());
            const bool keepdim = draw.coin();
            return {[=](const Tensors& in) { return f(in[0], dims, keepdim); },
                    {x},
                    fmt::format("dims {}{}", to_string(dims), keepdim ? ", keepdim" : "")};
          }};
}

Example draw_var(Draw& draw) {
  const Shape shape = draw.shape();
  const bool empty = numel(shape) == 0;
  const Tensor x = draw.leaf(empty ? Shape{2, 0, 3} : shape);
  const Dims dims = empty ? Dims{0, -1} : draw.dims(x.rank());
  const bool keepdim = draw.coin();
  // The unbiased variance of one number is none.
  const bool unbiased = draw.coin() && x.numel() > numel(sum(x, dims).shape());
  return {[=](const Tensors& in) { return var(in[0], dims, unbiased, keepdim); },
          {x},
          fmt::format("dims {}, {}", to_string(dims), unbiased ? "unbiased" : "biased")};
}

Example draw_topk(Draw& draw) {
  const Tensor x = draw.distinct(draw.shape(1));
  const std::int64_t dim = draw.dim(x.rank());
  const std::int64_t k = draw.integer(0, x.size(dim));
  return {[=](const Tensors& in) { return topk(in[0], k, dim).values; },
          {x},
          fmt::format("k {}, dim {}", k, dim)};
}

Example draw_sum_to(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape());
  const Shape to = draw.broadcasting_to(x.shape());
  return {[to](const Tensors& in) { return sum_to(in[0], to); }, {x}, to_string(to)};
}

Example draw_matmul(Draw& draw) {
  const auto size = [&] { return draw.shape(1, 1)[0]; };
  const Shape batch = draw.shape(0, 2);
  const std::int64_t inner = size();
  Shape a = draw.broadcasting_to(batch);
  Shape b = draw.broadcasting_to(batch);
  a.push_back(size());
  a.push_back(inner);
  b.push_back(inner);
  b.push_back(size());
  const bool vector_a = draw.integer(0, 3) == 0;
  const bool vector_b = draw.integer(0, 3) == 0;
  return {[](const Tensors& x) { return matmul(x[0], x[1]); },
          {draw.leaf(vector_a ? Shape{inner} : a), draw.leaf(vector_b ? Shape{inner} : b)}};
}

Example draw_linear(Draw& draw) {
  const auto size = [&] { return draw.shape(1, 1)[0]; };
  const std::int64_t in = size();
  const std::int64_t out = size();
  Shape shape = draw.shape(0, 3);
  shape.push_back(in);
  const Tensors inputs{draw.leaf(shape), draw.leaf({out, in})};
  if (draw.coin()) return {[](const Tensors& x) { return linear(x[0], x[1]); }, inputs};
  return {[](const Tensors& x) { return linear(x[0], x[1], x[2]); },
          {inputs[0], inputs[1], draw.leaf({out})}};
}

Example draw_bilinear(Draw& draw, bool with_bias) {
  const auto size = [&] { return draw.shape(1, 1)[0]; };
  Shape a = draw.shape(0, 2);
  Shape b = a;
  a.push_back(size());
  b.push_back(size());
  const std::int64_t out = size();
  const Tensors inputs{draw.leaf(a), draw.leaf(b), draw.leaf({out, a.back(), b.back()})};
  if (!with_bias) return {[](const Tensors& x) { return bilinear(x[0], x[1], x[2]); }, inputs};
  return {[](const Tensors& x) { return bilinear(x[0], x[1], x[2], x[3]); },
          {inputs[0], inputs[1], inputs[2], draw.leaf({out})}};
}

// The letters of an equation take any sizes, and "..." any shapes that broadcast.
Example draw_einsum(Draw& draw) {
  static const std::vector<std::string> equations{"ij->ji",
                                                  "ij->",
                                                  "ij",
                                                  "ji",
                                                  "ii",
                                                  "ii->i",
                                                  "bii->b",
                                                  "i,i",
                                                  "i,j->ij",
                                                  "ij,ij->ij",
                                                  "ij,jk->ik",
                                                  "ij,jk",
                                                  "bij,bjk->bik",
                                                  "bij,bkj->bki",
                                                  "bi,i->b",
                                                  "aij,b->jb",
                                                  "i,ij,j",
                                                  "ij,jk,kl->il",
                                                  "bqhf,bkhf->bhqk",
                                                  "...ij,...jk->...ik",
                                                  "...i->...",
                                                  "...,...",
                                                  "ab,cd->",
                                                  "iij,jk->ik"};
  const std::string equation = equations[draw.place(equations.size())];
  const Shape dotted = draw.shape(0, 2);
  std::map<char, std::int64_t> sizes;
  Tensors inputs;
  Shape shape;
  for (const char c : equation.substr(0, equation.find("->")) + ',') {
    if (c == ',') {
      inputs.push_back(draw.leaf(std::exchange(shape, {})));
    } else if (c == '.') {
      shape = draw.broadcasting_to(dotted);
    } else {
      shape.push_back(sizes.try_emplace(c, draw.shape(1, 1)[0]).first->second);
    }
  }
  return {[equation](const Tensors& x) { return einsum(equation, x); }, inputs, equation};
}

std::vector<Row> reductions_and_products() {
  return {
      reduction("sum", [](const Tensor& x, const Dims& d, bool keep) { return sum(x, d, keep); }),
      choice("mean", [](const Tensor& x, const Dims& d, bool keep) { return mean(x, d, keep); }),
      choice("amax", [](const Tensor& x, const Dims& d, bool keep) { return amax(x, d, keep); }),
      choice("amin", [](const Tensor& x, const Dims& d, bool keep) { return amin(x, d, keep); }),
      choice("logsumexp",
             [](const Tensor& x, const Dims& d, bool keep) { return logsumexp(x, d, keep); }),
      {"var", draw_var},
      along_dim(
          "cumsum", [](const Tensor& x, std::int64_t dim) { return cumsum(x, dim); }, 0),
      {"topk", draw_topk},
      {"sum_to", draw_sum_to},
      {"matmul", draw_matmul},
      {"linear", draw_linear},
      {"bilinear(Operand, Operand, Operand)",
       [](Draw& draw) { return draw_bilinear(draw, false); }},
      {"bilinear(Operand, Operand, Operand, Operand)",
       [](Draw& draw) { return draw_bilinear(draw, true); }},
      {"einsum", draw_einsum},
  };
}

// Ops that move elements.

// A shape with as many elements, one of its sizes perhaps given as -1.
Shape reshaped(Draw& draw, const Shape& from) {
  Shape to;
  const auto factor = [&](std::int64_t size) {
    if (to.empty() || (draw.coin() && to.size() < 5)) to.push_back(1);
    to.back() *= size;
  };
  for (const auto size : from) {
    factor(size % 2 == 0 ? size / 2 : size);
    if (size % 2 == 0) factor(2);
  }
  if (draw.coin()) to.insert(draw.place(to.size() + 1), 1);
  if (draw.coin() && !to.empty() && numel(from) > 0) to[draw.place(to.size())] = -1;
  return to;
}

Example draw_reshape(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape());
  const Shape to = reshaped(draw, x.shape());
  return {[to](const Tensors& in) { return reshape(in[0], to); }, {x}, to_string(to)};
}

Example draw_transpose(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape(1));
  const std::int64_t a = draw.dim(x.rank());
  const std::int64_t b = draw.dim(x.rank());
  return {
      [=](const Tensors& in) { return transpose(in[0], a, b); }, {x}, fmt::format("{}, {}", a, b)};
}

Example draw_permute(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape());
  const Dims order = draw.order(x.rank());
  return {[order](const Tensors& in) { return permute(in[0], order); }, {x}, to_string(order)};
}

Example draw_expand(Draw& draw) {
  const Shape to = draw.shape();
  return {[to](const Tensors& in) { return expand(in[0], to); },
          {draw.leaf(draw.broadcasting_to(to))},
          to_string(to)};
}

Example draw_squeeze(Draw& draw) {
  Shape shape = draw.shape(0, 3);
  const std::size_t dim = draw.place(shape.size() + 1);
  shape.insert(dim, 1);
  const auto d =
      static_cast<std::int64_t>(dim) - static_cast<std::int64_t>(draw.coin() ? shape.size() : 0);
  return {[d](const Tensors& in) { return squeeze(in[0], d); },
          {draw.leaf(shape)},
          fmt::format("dim {}", d)};
}

Example draw_slice(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape(1));
  const std::int64_t dim = draw.dim(x.rank());
  const std::int64_t n = x.size(dim);
  const std::int64_t start = draw.integer(-n - 1, n + 1);
  const std::int64_t end = draw.integer(-n - 1, n + 1);
  const std::int64_t step = draw.integer(1, 3);
  return {[=](const Tensors& in) { return slice(in[0], dim, start, end, step); },
          {x},
          fmt::format("dim {}, {}:{}:{}", dim, start, end, step)};
}

Example draw_select(Draw& draw) {
  Shape shape = draw.shape(1);
  const std::size_t dim = draw.place(shape.size());
  shape[dim] = std::max<std::int64_t>(shape[dim], 1);
  const auto d = static_cast<std::int64_t>(dim);
  const std::int64_t index = draw.integer(-shape[dim], shape[dim] - 1);
  return {[=](const Tensors& in) { return select(in[0], d, index); },
          {draw.leaf(shape)},
          fmt::format("dim {}, index {}", d, index)};
}

// Through float32 and back: exact for multiples of 1/8, and linear, so that large steps do.
Example draw_to(Draw& draw) {
  const Tensor eighths = to(draw.indices(draw.shape(), 16), DType::float64) / 8;
  return {[](const Tensors& in) { return to(to(in[0], DType::float32), DType::float64); },
          {draw.laid_out(eighths).requires_grad_()},
          "through float32",
          {.eps = 0.5}};
}

// Tensors that differ in one dimension, if at all.
Tensors joinable(Draw& draw, Shape shape, std::size_t dim, bool differ) {
  Tensors tensors;
  for (std::size_t i = 0; i <= draw.place(3); ++i) {
    if (differ) shape[dim] = draw.integer(0, 3);
    tensors.push_back(draw.leaf(shape));
  }
  return tensors;
}

Example draw_cat(Draw& draw) {
  const Shape shape = draw.shape(1);
  const std::size_t dim = draw.place(shape.size());
  const auto d = static_cast<std::int64_t>(dim);
  return {[d](const Tensors& x) { return cat(x, d); }, joinable(draw, shape, dim, true),
          fmt::format("dim {}", d)};
}

Example draw_stack(Draw& draw) {
  const Shape shape = draw.shape();
  const std::int64_t dim = draw.dim(shape.size() + 1);
  return {[dim](const Tensors& x) { return stack(x, dim); }, joinable(draw, shape, 0, false),
          fmt::format("dim {}", dim)};
}

Example draw_split(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape(1));
  const std::int64_t dim = draw.dim(x.rank());
  std::vector<std::int64_t> sizes;
  std::int64_t left = x.size(dim);
  for (; draw.coin(); left -= sizes.back()) sizes.push_back(draw.integer(0, left));
  sizes.push_back(left);
  return {[=](const Tensors& in) { return split(in[0], sizes, dim); },
          {x},
          fmt::format("dim {}, {} pieces", dim, sizes.size())};
}

Example draw_unbind(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape(1));
  const std::int64_t dim = draw.dim(x.rank());
  return {[dim](const Tensors& in) { return unbind(in[0], dim); }, {x}, fmt::format("dim {}", dim)};
}

std::vector<Row> movements() {
  return {
      {"reshape", draw_reshape},
      {"transpose", draw_transpose},
      {"permute", draw_permute},
      {"expand", draw_expand},
      {"squeeze", draw_squeeze},
      along_dim(
          "unsqueeze", [](const Tensor& x, std::int64_t dim) { return unsqueeze(x, dim); }, 0, 1),
      {"slice", draw_slice},
      {"select", draw_select},
      along_dim(
          "flip", [](const Tensor& x, std::int64_t dim) { return flip(x, dim); }, 1),
      elementwise("contiguous", contiguous),
      elementwise("clone", clone),
      {"to", draw_to},
      {"cat", draw_cat},
      {"stack", draw_stack},
      {"split", draw_split},
      {"unbind", draw_unbind},
  };
}

// Selection and indexing.

Example draw_where(Draw& draw) {
  const Shape shape = draw.shape();
  const Tensor mask = draw.mask(draw.broadcasting_to(shape));
  return {[mask](const Tensors& x) { return where(mask, x[0], x[1]); },
          {draw.leaf(draw.broadcasting_to(shape)), draw.leaf(draw.broadcasting_to(shape))},
          "mask " + to_string(mask.shape())};
}

Row masked(std::string op, Tensor (*f)(const Tensor& mask, const Tensor& x)) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const Shape shape = draw.shape();
            const Tensor mask = draw.mask(draw.broadcasting_to(shape));
            return {[=](const Tensors& x) { return f(mask, x[0]); },
                    {draw.leaf(draw.broadcasting_to(shape))},
                    "mask " + to_string(mask.shape())};
          }};
}

Row triangle(std::string op, Tensor (*f)(const Tensor&, std::int64_t diagonal)) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const std::int64_t diagonal = draw.integer(-3, 3);
            return {[=](const Tensors& x) { return f(x[0], diagonal); },
                    {draw.leaf(draw.shape(2))},
                    fmt::format("diagonal {}", diagonal)};
          }};
}

// A tensor and an index that fits it for gather() and scatter_add().
struct Gathered {
  Tensor x;
  std::int64_t dim;
  Tensor index;
};

Gathered draw_gathered(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape(1));
  const std::size_t dim = draw.place(x.rank());
  Shape shape = x.shape();
  for (auto& size : shape) size = draw.integer(0, size);
  if (x.shape()[dim] > 0) shape[dim] = draw.integer(1, 4);
  return {x, static_cast<std::int64_t>(dim), draw.indices(shape, x.shape()[dim])};
}

Example draw_gather(Draw& draw) {
  const auto [x, dim, index] = draw_gathered(draw);
  return {[dim = dim, index = index](const Tensors& in) { return gather(in[0], dim, index); },
          {x},
          fmt::format("dim {}, index {}", dim, to_string(index.shape()))};
}

Example draw_scatter_add(Draw& draw) {
  const auto [x, dim, index] = draw_gathered(draw);
  return {[dim = dim, index = index](const Tensors& in) {
            return scatter_add(in[0], dim, index, in[1]);
          },
          {x, draw.leaf(index.shape())},
          fmt::format("dim {}", dim)};
}

// A tensor, a dimension, an index for it, and the shape of what index_select() gives.
struct Slabs {
  Tensor x;
  std::int64_t dim;
  Tensor index;
  Shape shape;
};

Slabs draw_slabs(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape(1));
  const std::size_t dim = draw.place(x.rank());
  const std::int64_t n = x.shape()[dim];
  Shape shape = x.shape();
  shape[dim] = n == 0 ? 0 : draw.integer(0, 4);
  return {x, static_cast<std::int64_t>(dim), draw.indices({shape[dim]}, n), shape};
}

Example draw_index_select(Draw& draw) {
  const auto [x, dim, index, shape] = draw_slabs(draw);
  return {[dim = dim, index = index](const Tensors& in) { return index_select(in[0], dim, index); },
          {x},
          fmt::format("dim {}, {} indices", dim, index.numel())};
}

Example draw_index_add(Draw& draw) {
  const auto [x, dim, index, shape] = draw_slabs(draw);
  return {
      [dim = dim, index = index](const Tensors& in) { return index_add(in[0], dim, index, in[1]); },
      {x, draw.leaf(shape)},
      fmt::format("dim {}", dim)};
}

// The last row is padding, and never asked for: its derivative is not the true one.
Example draw_embedding(Draw& draw) {
  const std::int64_t rows = draw.integer(2, 4);
  const Tensor ids = draw.indices(draw.shape(0, 3), rows - 1);
  const std::int64_t padding = draw.coin() ? rows - 1 : -1;
  return {[=](const Tensors& in) { return embedding(in[0], ids, padding); },
          {draw.leaf({rows, draw.shape(1, 1)[0]})},
          fmt::format("ids {}, padding {}", to_string(ids.shape()), padding)};
}

std::vector<Row> selections() {
  return {
      {"where(Operand, Operand, Operand)", draw_where},
      masked("where(Operand, Operand, Scalar)",
             [](const Tensor& mask, const Tensor& x) { return where(mask, x, 0.7); }),
      masked("where(Operand, Scalar, Operand)",
             [](const Tensor& mask, const Tensor& x) { return where(mask, 0.7, x); }),
      masked("masked_fill",
             [](const Tensor& mask, const Tensor& x) { return masked_fill(x, mask, 0.7); }),
      triangle("tril", [](const Tensor& x, std::int64_t diagonal) { return tril(x, diagonal); }),
      triangle("triu", [](const Tensor& x, std::int64_t diagonal) { return triu(x, diagonal); }),
      {"gather", draw_gather},
      {"scatter_add", draw_scatter_add},
      {"index_select", draw_index_select},
      {"index_add", draw_index_add},
      {"embedding", draw_embedding},
  };
}

// Softmax, normalisation and losses.

Example draw_layer_norm(Draw& draw) {
  Shape shape = draw.shape(1);
  // One feature is its own mean; what is left is a difference of equal numbers.
  shape.back() = draw.integer(2, 4);
  const bool with_weight = draw.coin();
  const bool with_bias = draw.coin();
  Tensors inputs{draw.distinct(shape)};
  if (with_weight) inputs.push_back(draw.leaf({shape.back()}));
  if (with_bias) inputs.push_back(draw.leaf({shape.back()}));
  return {[=](const Tensors& x) {
            return layer_norm(x[0], with_weight ? x[1] : Tensor(), with_bias ? x.back() : Tensor(),
                              0.1);
          },
          inputs, fmt::format("{}{}", with_weight ? "weight " : "", with_bias ? "bias" : "")};
}

Example draw_rms_norm(Draw& draw) {
  const Tensor x = draw.leaf(draw.shape(1));
  if (draw.coin()) return {[](const Tensors& in) { return rms_norm(in[0], {}, 0.1); }, {x}};
  return {[](const Tensors& in) { return rms_norm(in[0], in[1], 0.1); },
          {x, draw.leaf({x.size(-1)})}};
}

// The mean of nothing is no number.
Reduction draw_reduction(Draw& draw, bool any) {
  const auto reduction = static_cast<Reduction>(draw.integer(0, 3));
  const bool mean = reduction == Reduction::mean || reduction == Reduction::batchmean;
  return mean && !any ? Reduction::sum : reduction;
}

using Loss = Tensor (*)(const Tensor&, const Tensor&, Reduction);

Row loss(std::string op, Loss f, double low = -2, double high = 2) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const Shape shape = draw.shape();
            const Reduction reduction = draw_reduction(draw, numel(shape) > 0);
            return {[=](const Tensors& x) { return f(x[0], x[1], reduction); },
                    {draw.leaf(shape), draw.leaf(shape, low, high)},
                    fmt::format("reduction {}", static_cast<int>(reduction))};
          }};
}

// For losses with a kink where the difference is some even multiple of 0.1.
Row kinked_loss(std::string op, Loss f) {
  return {std::move(op), [=](Draw& draw) -> Example {
            const Shape shape = draw.shape();
            const Reduction reduction = draw_reduction(draw, numel(shape) > 0);
            return {[=](const Tensors& x) { return f(x[0], x[1] + 0.1, reduction); },
                    {draw.distinct(shape), draw.distinct(shape)},
                    fmt::format("reduction {}", static_cast<int>(reduction))};
          }};
}

// Scores of classes, and targets some of which may be ignored.
struct Classified {
  Tensor scores;
  Tensor targets;
  std::int64_t ignored;
  Reduction reduction;
  std::string arguments() const {
    return fmt::format("ignored {}, reduction {}", ignored, static_cast<int>(reduction));
  }
};

Classified draw_classified(Draw& draw) {
  const Shape shape = draw.shape(0, 3);
  const std::int64_t classes = draw.integer(1, 4);
  const std::int64_t ignored = draw.coin() ? -100 : draw.integer(0, classes - 1);
  const Tensor targets = where(draw.mask(shape), draw.indices(shape, classes), ignored);
  const bool any = sum(to(ne(targets, ignored), DType::int64)).item() > 0;
  Shape of_scores = shape;
  of_scores.push_back(classes);
  return {draw.leaf(of_scores), targets, ignored, draw_reduction(draw, any)};
}

Example draw_nll_loss(Draw& draw) {
  const Classified c = draw_classified(draw);
  return {[c](const Tensors& x) { return nll_loss(x[0], c.targets, c.ignored, c.reduction); },
          {c.scores},
          c.arguments()};
}

Example draw_cross_entropy(Draw& draw) {
  const Classified c = draw_classified(draw);
  const double smoothing = draw.coin() ? 0 : draw.real(0, 1);
  return {[=](const Tensors& x) {
            return cross_entropy(x[0], c.targets, c.ignored, smoothing, c.reduction);
          },
          {c.scores},
          fmt::format("{}, smoothing {}", c.arguments(), smoothing)};
}

std::vector<Row> softmax_norms_and_losses() {
  return {
      along_dim(
          "softmax", [](const Tensor& x, std::int64_t dim) { return softmax(x, dim); }, 0),
      along_dim(
          "log_softmax", [](const Tensor& x, std::int64_t dim) { return log_softmax(x, dim); }, 0),
      {"layer_norm", draw_layer_norm},
      {"rms_norm", draw_rms_norm},
      loss("mse_loss",
           [](const Tensor& x, const Tensor& y, Reduction r) { return mse_loss(x, y, r); }),
      kinked_loss("l1_loss",
                  [](const Tensor& x, const Tensor& y, Reduction r) { return l1_loss(x, y, r); }),
      kinked_loss("smooth_l1_loss", [](const Tensor& x, const Tensor& y,
                                       Reduction r) { return smooth_l1_loss(x, y, 0.4, r); }),
      loss("binary_cross_entropy_with_logits",
           [](const Tensor& x, const Tensor& y, Reduction r) {
             return binary_cross_entropy_with_logits(x, y, r);
           }),
      loss(
          "kl_div", [](const Tensor& x, const Tensor& y, Reduction r) { return kl_div(x, y, r); },
          0.2, 1),
      {"nll_loss", draw_nll_loss},
      {"cross_entropy", draw_cross_entropy},
  };
}

}  // namespace

std::vector<Row> gradcheck_table() {
  std::vector<Row> table;
  for (const auto& family : {arithmetic(), functions_of_one_number(), reductions_and_products(),
                             movements(), selections(), softmax_norms_and_losses()}) {
    table.insert(table.end(), family.begin(), family.end());
  }
  return table;
}

}  // namespace attune::testing
