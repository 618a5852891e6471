// Matrix products of any rank, and layers of them. All of them come down to one op on [.., m, k] x
// [.., k, n].

#include <fmt/format.h>

#include <algorithm>

#include "autograd/kernels/gemm.h"
#include "autograd/kernels/parallel.h"
#include "autograd/op.h"
#include "autograd/packing.h"

namespace attune {
namespace {

// Batches of less work than this are handed to a thread together.
constexpr std::int64_t work_a_task = 1 << 20;
// Where packing a matrix pays if it is multiplied by again.
constexpr std::int64_t most_rows_to_pack = 128;
constexpr std::int64_t least_elements_to_pack = 1 << 10;

Tensor readable(const Tensor& x) {
  const Strides& strides = x.strides();
  return readable_by_gemm(x.size(-2), x.size(-1), strides[x.rank() - 2], strides[x.rank() - 1])
             ? x.detach()
             : x.detach().contiguous();
}

template <class T>
Matrix<T> matrix(const Tensor& x, std::int64_t offset) {
  return {x.raw<T>() + offset, x.strides()[x.rank() - 2], x.strides()[x.rank() - 1]};
}

// Where each matrix of a batch begins, in elements: x broadcast to the leading dimensions `batch`.
std::vector<std::int64_t> offsets(const Tensor& x, const Shape& batch) {
  const Shape& shape = x.shape();
  const auto leading = [&](const Dims& dims) {
    return Dims(std::span(dims.begin(), shape.size() - 2));
  };
  const Strides strides = broadcast_strides(leading(shape), leading(x.strides()), batch);
  std::vector<std::int64_t> result(static_cast<std::size_t>(numel(batch)));
  for (std::size_t i = 0; i < result.size(); ++i) {
    auto rest = static_cast<std::int64_t>(i);
    for (std::size_t d = batch.size(); d-- > 0; rest /= batch[d]) {
      result[i] += rest % batch[d] * strides[d];
    }
  }
  return result;
}

// A product of few rows costs less than packing its right operand, and is worth doing so only with
// one that is kept. What is not kept yet is packed all the same where it may be kept the next time:
// the bits of a product must not depend on how often its matrix was multiplied by before. False
// where BLAS is to do it.
bool multiply_packed(const Tensor& a, const Tensor& b, Addend<float> add, const Tensor& c) {
  const std::int64_t rows = a.size(0);
  if (rows > most_rows_to_pack || rows == 0 || b.numel() < least_elements_to_pack) return false;
  if (grad_enabled() || (a.strides()[1] != 1 && a.size(1) > 1)) return false;
  if (const auto kept = packed_if_reused(b)) {
    kept->multiply_in_parallel(rows, a.raw<float>(), a.strides()[0], add, c.raw<float>(),
                               c.size(1));
  } else {
    gemm_in_tiles(rows, b.size(1), b.size(0), matrix<float>(a, 0), matrix<float>(b, 0), add,
                  c.raw<float>(), c.size(1));
  }
  return true;
}

// c = a b, to every row of which the contiguous `bias` is added if it is defined, for matrices that
// gemm can read and a contiguous c.
void multiply_into(const Tensor& a, const Tensor& b, const Tensor& bias, const Tensor& c) {
  dispatch_floating(a.dtype(), [&]<class T>(T) {
    const Addend<T> add{bias.defined() ? bias.raw<T>() : nullptr, 0};
    if constexpr (sizeof(T) == sizeof(float)) {
      if (multiply_packed(a, b, add, c)) return;
    }
    gemm<T>(a.size(0), b.size(1), a.size(1), matrix<T>(a, 0), matrix<T>(b, 0), add, c.raw<T>(),
            b.size(1));
  });
}

Tensor multiply(const Tensor& left, const Tensor& right, const Shape& batch) {
  const Tensor a = readable(left);
  const Tensor b = readable(right);
  const std::int64_t m = a.size(-2);
  const std::int64_t k = a.size(-1);
  const std::int64_t n = b.size(-1);
  Shape shape = batch;
  shape.push_back(m);
  shape.push_back(n);
  Tensor c = empty(shape, a.dtype());
  if (batch.empty()) {
    multiply_into(a, b, {}, c);
    return c;
  }
  dispatch_floating(a.dtype(), [&]<class T>(T) {
    const auto a_at = offsets(a, batch);
    const auto b_at = offsets(b, batch);
    const std::int64_t grain =
        std::max<std::int64_t>(1, work_a_task / std::max<std::int64_t>(1, m * n * k));
    parallel_for(numel(batch), grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const auto at = static_cast<std::size_t>(i);
        gemm<T>(m, n, k, matrix<T>(a, a_at[at]), matrix<T>(b, b_at[at]), {}, c.raw<T>() + i * m * n,
                n);
      }
    });
  });
  return c;
}

[[noreturn]] void inner_sizes_differ(Operand a, Operand b) {
  const std::int64_t inner = a->size(-1);
  const std::int64_t other = b->size(b->rank() == 1 ? -1 : -2);
  const bool b_fits = b->rank() > 1 && b->size(-1) == inner;
  const bool a_fits = a->rank() > 1 && a->size(-2) == other;
  misuse("matmul", a.site(),
         fmt::format("the inner sizes differ: {} x {} ({} vs {})", to_string(a->shape()),
                     to_string(b->shape()), inner, other),
         b_fits   ? "Did you mean matmul(a, transpose(b))?"
         : a_fits ? "Did you mean matmul(transpose(a), b)?"
                  : "The last size of the left must be the last but one of the right.",
         draw_clash(a->shape(), {-1}, b->shape(), {b->rank() == 1 ? -1 : -2}));
}

// All dimensions but the last `but`.
Shape first_sizes(const Tensor& x, std::size_t but) {
  return Shape(std::span(x.shape().begin(), x.rank() - but));
}

// All dimensions but the last two.
Shape leading(const Tensor& x) {
  return first_sizes(x, 2);
}

// A bias has an element for each of the weight's outputs, its first dimension.
void check_bias(const char* op, Operand bias, Operand weight) {
  if (bias->rank() != 1 || (weight->rank() > 0 && bias->size(0) != weight->size(0))) {
    misuse(op, bias.site(),
           fmt::format("a bias {} does not fit a weight {}", to_string(bias->shape()),
                       to_string(weight->shape())),
           "The bias is [out], the first size of the weight.");
  }
}

Shape common_batch(Operand a, Operand b) {
  try {
    return broadcast_shapes("matmul", a.site(), leading(a), leading(b));
  } catch (const Error&) {
    misuse("matmul", a.site(),
           fmt::format("the leading dimensions do not broadcast: {} x {}", to_string(a->shape()),
                       to_string(b->shape())),
           "All but the last two sizes must be equal or 1, counted from the back.",
           draw_broadcast(a->shape(), b->shape(), 2));
  }
}

}  // namespace

Tensor matmul(Operand a, Operand b) {
  detail::check_floating("matmul", a);
  detail::check_same_dtype("matmul", a, b);
  if (a->rank() == 0 || b->rank() == 0) {
    misuse("matmul", a.site(),
           fmt::format("{} x {}: a scalar is not a matrix", to_string(a->shape()),
                       to_string(b->shape())),
           "Multiply by a scalar with *.");
  }
  if (a->size(-1) != b->size(b->rank() == 1 ? -1 : -2)) inner_sizes_differ(a, b);
  const auto at_this_call = [&](const Tensor& x) { return Operand(x, a.site()); };
  if (b->rank() == 1) {
    return squeeze(at_this_call(matmul(a, at_this_call(unsqueeze(b, 1)))), -1);
  }
  if (a->rank() == 1) {
    return squeeze(at_this_call(matmul(at_this_call(unsqueeze(a, 0)), b)), -2);
  }
  if (a->rank() > 2 && b->rank() == 2) {
    // One product with all the rows of the batch, and one gradient of b, instead of one a matrix.
    Shape shape = a->shape();
    shape.back() = b->size(-1);
    const Tensor rows = reshape(a, {numel(leading(a)) * a->size(-2), a->size(-1)});
    return reshape(at_this_call(matmul(at_this_call(rows), b)), shape);
  }
  const Shape batch = common_batch(a, b);
  return apply("matmul", {a, b}, multiply(a, b, batch),
               wrt(a, [b = save(b)](const Tensor& g) { return matmul(g, transpose(b())); }),
               wrt(b, [a = save(a)](const Tensor& g) { return matmul(transpose(a()), g); }));
}

namespace {

void check_linear(Operand x, Operand weight) {
  detail::check_floating("linear", x);
  detail::check_same_dtype("linear", x, weight);
  if (weight->rank() == 2 && x->rank() > 0 && x->size(-1) == weight->size(1)) return;
  misuse("linear", x.site(),
         fmt::format("an input {} does not fit a weight {}", to_string(x->shape()),
                     to_string(weight->shape())),
         "The input is [.., in], the weight [out, in].",
         weight->rank() == 2 && x->rank() > 0 ? draw_clash(x->shape(), {-1}, weight->shape(), {-1})
                                              : "");
}

// x [.., n] as [rows, n].
Tensor as_rows(const Tensor& x) {
  return reshape(x, {numel(first_sizes(x, 1)), x.size(-1)});
}

Tensor linear_with_bias(Operand x, Operand weight, Operand bias) {
  check_bias("linear", bias, weight);
  check_linear(x, weight);
  detail::check_same_dtype("linear", x, bias);
  const Tensor rows = as_rows(x->detach());
  const Tensor sum_of_both = empty({rows.size(0), bias->size(0)}, rows.dtype());
  multiply_into(readable(rows), readable(transpose(weight->detach())), bias->detach().contiguous(),
                sum_of_both);
  Shape shape = first_sizes(*x, 1);
  shape.push_back(bias->size(0));
  return apply(
      "linear", {x, weight, bias}, reshape(sum_of_both, shape),
      wrt(x, [w = save(*weight)](const Tensor& g) { return matmul(g, w()); }),
      wrt(weight,
          [x = save(*x)](const Tensor& g) { return matmul(transpose(as_rows(g)), as_rows(x())); }),
      wrt(bias, [](const Tensor& g) { return sum(as_rows(g), {0}); }));
}

}  // namespace

Tensor linear(Operand x, Operand weight, const Tensor& bias) {
  if (bias.defined()) return linear_with_bias(x, weight, {bias, x.site()});
  check_linear(x, weight);
  return matmul(x, {transpose(weight), x.site()});
}

Tensor bilinear(Operand a, Operand b, Operand weight) {
  detail::check_same_dtype("bilinear", a, b);
  detail::check_same_dtype("bilinear", a, weight);
  const Shape& w = weight->shape();
  const bool fits = w.size() == 3 && a->rank() > 0 && a->rank() == b->rank() &&
                    a->size(-1) == w[1] && b->size(-1) == w[2] &&
                    first_sizes(a, 1) == first_sizes(b, 1);
  if (!fits) {
    misuse("bilinear", a.site(),
           fmt::format("inputs {} and {} do not fit a weight {}", to_string(a->shape()),
                       to_string(b->shape()), to_string(w)),
           "The inputs are [.., n] and [.., m], the weight [out, n, m].");
  }
  const std::int64_t rows = numel(first_sizes(a, 1));
  Shape shape = a->shape();
  shape.back() = w[0];
  const Tensor stacked = reshape(permute(weight, {1, 0, 2}), {w[1], w[0] * w[2]});  // [n, out m]
  const Tensor a_w = reshape(matmul(reshape(a, {rows, w[1]}), stacked), {rows, w[0], w[2]});
  const Tensor column = reshape(b, {rows, w[2], 1});
  return reshape(matmul(a_w, column), shape);
}

Tensor bilinear(Operand a, Operand b, Operand weight, Operand bias) {
  check_bias("bilinear", bias, weight);
  return bilinear(a, b, weight) + bias;
}

}  // namespace attune
