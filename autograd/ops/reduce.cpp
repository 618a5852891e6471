// Reductions over any set of dimensions.

#include "autograd/kernels/reduce.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "autograd/ops/along.h"

namespace attune {
namespace {

// Which dimensions go, and the shapes of the result with and without them. A scalar passes for a
// row of one.
struct Reduced {
  std::array<bool, max_rank> gone{};
  Shape kept_as_1;
  Shape result;
  std::int64_t count = 1;  // how many elements become one

  Reduced(const char* op, Operand x, const Dims& dims, bool keepdim) : kept_as_1(x->shape()) {
    for (const auto dim : dims) {
      const std::size_t d = wrap_dim(op, x.site(), dim, std::max<std::size_t>(x->rank(), 1));
      if (std::exchange(gone[d], true)) {
        misuse(op, x.site(),
               fmt::format("dimension {} is named twice in {}", dim, to_string(dims)));
      }
    }
    if (dims.empty()) gone.fill(true);
    for (std::size_t d = 0; d < x->rank(); ++d) {
      if (gone[d]) {
        count *= x->shape()[d];
        kept_as_1[d] = 1;
      } else {
        result.push_back(x->shape()[d]);
      }
    }
    if (keepdim) result = kept_as_1;
  }
};

// Reduces run after run of neighbouring dimensions, the innermost first.
Tensor reduced(Reduce op, const Tensor& x, const Reduced& plan) {
  Tensor rows = x.detach().contiguous();
  Shape shape = x.shape();
  for (std::size_t end = shape.size(); end > 0;) {
    if (!plan.gone[end - 1]) {
      --end;
      continue;
    }
    std::size_t begin = end;
    while (begin > 0 && plan.gone[begin - 1]) --begin;
    const auto size = [&](std::size_t from, std::size_t to) {
      return std::accumulate(shape.begin() + from, shape.begin() + to, std::int64_t{1},
                             std::multiplies<>());
    };
    const std::int64_t outer = size(0, begin);
    const std::int64_t n = size(begin, end);
    const std::int64_t inner = size(end, shape.size());
    std::fill(shape.begin() + begin, shape.begin() + end, 1);
    Tensor result = empty(shape, x.dtype());
    dispatch_numeric(x.dtype(), [&]<class T>(T) {
      reduce(op, result.raw<T>(), rows.raw<T>(), outer, n, inner);
    });
    rows = std::move(result);
    end = begin;
  }
  return view(rows, plan.result, contiguous_strides(plan.result));
}

Tensor extreme(OpName name, Reduce op, Operand x, const Dims& dims, bool keepdim) {
  detail::check_numeric(name.text, x);
  const Reduced plan(name.text, x, dims, keepdim);
  if (plan.count == 0) {
    misuse(name.text, x.site(),
           fmt::format("there is nothing to choose from over dimensions {} of {}", to_string(dims),
                       to_string(x->shape())));
  }
  Tensor y = reduced(op, *x, plan);
  auto kept = save_output(y);
  return apply(
      name, {x}, std::move(y),
      wrt(x, [x = save(x), y = std::move(kept), dims, kept_as_1 = plan.kept_as_1](const Tensor& g) {
        const Tensor chosen = to(eq(x(), reshape(y().detach(), kept_as_1)), g.dtype());
        const Tensor share = chosen / sum(chosen, dims, true);
        return share * reshape(g, kept_as_1);
      }));
}

}  // namespace

Tensor sum(Operand x, const Dims& dims, bool keepdim) {
  detail::check_numeric("sum", x);
  const Reduced plan("sum", x, dims, keepdim);
  return apply("sum", {x}, reduced(Reduce::sum, *x, plan),
               wrt(x, [kept_as_1 = plan.kept_as_1, shape = x->shape()](const Tensor& g) {
                 return expand(reshape(g, kept_as_1), shape);
               }));
}

Tensor mean(Operand x, const Dims& dims, bool keepdim) {
  detail::check_floating("mean", x);
  const Reduced plan("mean", x, dims, keepdim);
  return div({sum(x, dims, keepdim), x.site()}, plan.count);
}

Tensor amax(Operand x, const Dims& dims, bool keepdim) {
  return extreme("amax", Reduce::max, x, dims, keepdim);
}

Tensor amin(Operand x, const Dims& dims, bool keepdim) {
  return extreme("amin", Reduce::min, x, dims, keepdim);
}

// The sum of squared deviations over n - 1, or n. Through the mean no gradient flows: the
// deviations add up to 0.
Tensor var(Operand x, const Dims& dims, bool unbiased, bool keepdim) {
  detail::check_floating("var", x);
  const Reduced plan("var", x, dims, keepdim);
  const auto divisor = std::max<std::int64_t>(0, plan.count - unbiased);
  const Tensor deviations = x->detach() - mean(x->detach(), dims, true);
  return apply("var", {x}, sum(square(deviations), dims, keepdim) / divisor,
               wrt(x, [x = save(x), dims, divisor, kept_as_1 = plan.kept_as_1](const Tensor& g) {
                 const Tensor deviations = x() - mean(x(), dims, true);
                 return reshape(g, kept_as_1) * deviations * (2 / static_cast<double>(divisor));
               }));
}

// The maximum is subtracted, so that no exponential overflows, and added back. Where it is infinite
// there is nothing to subtract it from.
Tensor logsumexp(Operand x, const Dims& dims, bool keepdim) {
  detail::check_floating("logsumexp", x);
  const Reduced plan("logsumexp", x, dims, keepdim);
  if (plan.count == 0) return log(sum(x, dims, keepdim));
  const Tensor max = amax(x->detach(), dims, true);
  const Tensor finite = masked_fill(max, eq(abs(max), INFINITY), 0);
  const Tensor total = log(sum(exp(x->detach() - finite), dims, true)) + finite;
  Tensor y = reshape(total, plan.result);
  auto kept = save_output(y);
  return apply(
      "logsumexp", {x}, std::move(y),
      wrt(x, [x = save(x), y = std::move(kept), kept_as_1 = plan.kept_as_1](const Tensor& g) {
        const Tensor total = reshape(y(), kept_as_1);
        // A sum of nothing but e^-inf does not grow with any of them.
        const Tensor finite = masked_fill(total, eq(total.detach(), -INFINITY), 0);
        return reshape(g, kept_as_1) * exp(x() - finite);
      }));
}

Tensor cumsum(Operand x, std::int64_t dim) {
  detail::check_numeric("cumsum", x);
  if (x->rank() == 0) {
    return detail::of_scalar(x, [dim](Operand row) { return cumsum(row, dim); });
  }
  const detail::Around around(x->shape(), wrap_dim("cumsum", x.site(), dim, x->rank()));
  const Tensor from = x->detach().contiguous();
  Tensor value = empty(x->shape(), x->dtype());
  dispatch_numeric(x->dtype(), [&]<class T>(T) {
    cumsum(value.raw<T>(), from.raw<T>(), around.outer, around.n, around.inner);
  });
  return apply("cumsum", {x}, std::move(value),
               wrt(x, [dim](const Tensor& g) { return flip(cumsum(flip(g, dim), dim), dim); }));
}

Tensor argmax(Operand x, std::int64_t dim, bool keepdim) {
  detail::check_numeric("argmax", x);
  if (x->rank() == 0) {
    return detail::of_scalar(x, [dim](Operand row) { return argmax(row, dim); });
  }
  const detail::Around around(x->shape(), wrap_dim("argmax", x.site(), dim, x->rank()));
  const Reduced plan("argmax", x, {dim}, keepdim);
  if (plan.count == 0) {
    misuse("argmax", x.site(),
           fmt::format("dimension {} of {} is empty", dim, to_string(x->shape())));
  }
  const Tensor from = x->detach().contiguous();
  Tensor result = empty(plan.result, DType::int64);
  dispatch_numeric(x->dtype(), [&]<class T>(T) {
    argmax(result.raw<std::int64_t>(), from.raw<T>(), around.outer, around.n, around.inner);
  });
  return result;
}

TopK topk(Operand x, std::int64_t k, std::int64_t dim) {
  detail::check_numeric("topk", x);
  const std::size_t d = wrap_dim("topk", x.site(), dim, x->rank());
  const std::int64_t n = x->shape()[d];
  if (k < 0 || k > n) {
    misuse(
        "topk", x.site(),
        fmt::format("k is {}, but dimension {} of {} holds {}", k, dim, to_string(x->shape()), n));
  }
  const Tensor rows = transpose(x->detach(), dim, -1).contiguous();
  Shape shape = rows.shape();
  shape.back() = k;
  Tensor indices = empty(shape, DType::int64);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  dispatch_numeric(x->dtype(), [&]<class T>(T) {
    const std::int64_t count = n == 0 ? 0 : rows.numel() / n;
    for (std::int64_t r = 0; r < count; ++r) {
      const T* const row = rows.raw<T>() + r * n;
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + k, order.end(),
                        [row](std::int64_t a, std::int64_t b) {
                          const auto larger = [](T x, T y) { return x > y || (x != x && y == y); };
                          if (larger(row[a], row[b])) return true;
                          return !larger(row[b], row[a]) && a < b;
                        });
      std::copy_n(order.begin(), k, indices.raw<std::int64_t>() + r * k);
    }
  });
  indices = transpose(indices, dim, -1).contiguous();
  return {gather(x, dim, indices), indices};
}

Tensor sum_to(Operand x, const Shape& shape) {
  if (x->shape() == shape) return *x;
  if (!broadcasts_to(shape, x->shape())) {
    misuse("sum_to", x.site(),
           fmt::format("{} does not broadcast to {}", to_string(shape), to_string(x->shape())), "",
           draw_expansion(shape, x->shape()));
  }
  Dims dims;
  const std::size_t added = x->rank() - shape.size();
  for (std::size_t d = 0; d < x->rank(); ++d) {
    if (d < added || (shape[d - added] == 1 && x->shape()[d] != 1)) {
      dims.push_back(static_cast<std::int64_t>(d));
    }
  }
  return reshape({sum(x, dims, true), x.site()}, shape);
}

}  // namespace attune
