// Ops that change how elements are seen, not what they are: views wherever strides can say it.

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "autograd/kernels/rounding.h"
#include "autograd/op.h"

namespace attune {
namespace {

// The strides that show a tensor in another shape without moving an element, if there are any:
// sizes are matched from the back, a run of old dimensions at a time that lie without gaps.
std::optional<Strides> strides_for(const Tensor& x, const Shape& shape) {
  if (x.is_contiguous()) return contiguous_strides(shape);
  Strides result = Strides::filled(shape.size(), 0);
  std::size_t next = shape.size();
  std::int64_t run_size = 1;
  std::int64_t run_stride = x.rank() == 0 ? 1 : x.strides().back();
  for (std::size_t d = x.rank(); d-- > 0;) {
    run_size *= x.shape()[d];
    const bool run_ends =
        d == 0 || (x.shape()[d - 1] != 1 && x.strides()[d - 1] != run_size * run_stride);
    if (!run_ends) continue;
    std::int64_t covered = 1;
    while (next > 0 && (covered < run_size || shape[next - 1] == 1)) {
      --next;
      result[next] = covered * run_stride;
      covered *= shape[next];
    }
    if (covered != run_size) return std::nullopt;
    run_size = 1;
    if (d > 0) run_stride = x.strides()[d - 1];
  }
  return result;
}

// Replaces the one size that may be -1, and checks that no element is lost.
Shape complete(const Shape& shape, Operand x) {
  Shape result = shape;
  std::int64_t known = 1;
  std::int64_t* unknown = nullptr;
  for (auto& size : result) {
    if (size == -1 && !unknown) {
      unknown = &size;
    } else {
      known *= size;
    }
  }
  if (unknown && known > 0) *unknown = x->numel() / known;
  const bool legal = std::all_of(result.begin(), result.end(), [](auto size) { return size >= 0; });
  if (!legal || numel(result) != x->numel()) {
    misuse("reshape", x.site(),
           fmt::format("{} with {} elements cannot take the shape {}", to_string(x->shape()),
                       x->numel(), to_string(shape)));
  }
  return result;
}

// The adjoint of slice: zeros of that shape, with x in the places the slice would take.
Tensor place(Operand x, const Shape& shape, std::int64_t dim, std::int64_t start, std::int64_t end,
             std::int64_t step) {
  Tensor value = zeros(shape, x->dtype());
  {
    const NoGrad no_grad;
    slice(value, dim, start, end, step).copy_(*x);
  }
  return apply("place", {x}, std::move(value),
               wrt(x, [=](const Tensor& g) { return slice(g, dim, start, end, step); }));
}

}  // namespace

Tensor reshape(Operand x, const Shape& shape) {
  const Shape target = complete(shape, x);
  if (target == x->shape()) return *x;
  const auto strides = strides_for(*x, target);
  Tensor value = strides ? view(*x, target, *strides)
                         : view(clone(x->detach()), target, contiguous_strides(target));
  return apply("reshape", {x}, std::move(value),
               wrt(x, [from = x->shape()](const Tensor& g) { return reshape(g, from); }));
}

Tensor permute(Operand x, const Dims& dims) {
  const std::size_t rank = x->rank();
  Dims order;
  Dims inverse = Dims::filled(rank, -1);
  for (std::size_t i = 0; i < dims.size() && dims.size() == rank; ++i) {
    const std::size_t from = wrap_dim("permute", x.site(), dims[i], rank);
    order.push_back(static_cast<std::int64_t>(from));
    inverse[from] = static_cast<std::int64_t>(i);
  }
  if (dims.size() != rank || std::count(inverse.begin(), inverse.end(), -1) > 0) {
    misuse("permute", x.site(),
           fmt::format("{} is not an order of the {} dimensions of {}", to_string(dims), rank,
                       to_string(x->shape())),
           "Name every dimension once.");
  }
  Shape shape = x->shape();
  Strides strides = x->strides();
  for (std::size_t i = 0; i < rank; ++i) {
    shape[i] = x->shape()[static_cast<std::size_t>(order[i])];
    strides[i] = x->strides()[static_cast<std::size_t>(order[i])];
  }
  return apply("permute", {x}, view(*x, shape, strides),
               wrt(x, [inverse](const Tensor& g) { return permute(g, inverse); }));
}

Tensor transpose(Operand x, std::int64_t dim0, std::int64_t dim1) {
  const std::size_t a = wrap_dim("transpose", x.site(), dim0, x->rank());
  const std::size_t b = wrap_dim("transpose", x.site(), dim1, x->rank());
  Shape shape = x->shape();
  Strides strides = x->strides();
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return apply("transpose", {x}, view(*x, shape, strides),
               wrt(x, [dim0, dim1](const Tensor& g) { return transpose(g, dim0, dim1); }));
}

Tensor expand(Operand x, const Shape& shape) {
  if (shape == x->shape()) return *x;
  if (!broadcasts_to(x->shape(), shape)) {
    misuse("expand", x.site(),
           fmt::format("{} cannot be repeated to {}", to_string(x->shape()), to_string(shape)),
           "Only dimensions of size 1, and new ones in front, can be repeated.",
           draw_expansion(x->shape(), shape));
  }
  return apply("expand", {x}, view(*x, shape, broadcast_strides(x->shape(), x->strides(), shape)),
               wrt(x, [](const Tensor& g) { return g; }));
}

Tensor squeeze(Operand x, std::int64_t dim) {
  const std::size_t at = wrap_dim("squeeze", x.site(), dim, x->rank());
  if (x->shape()[at] != 1) {
    misuse("squeeze", x.site(),
           fmt::format("dimension {} of {} is not of size 1", dim, to_string(x->shape())));
  }
  Shape shape = x->shape();
  Strides strides = x->strides();
  shape.erase(at);
  strides.erase(at);
  return apply("squeeze", {x}, view(*x, shape, strides), wrt(x, [at](const Tensor& g) {
                 return unsqueeze(g, static_cast<std::int64_t>(at));
               }));
}

Tensor unsqueeze(Operand x, std::int64_t dim) {
  const std::size_t at = wrap_dim("unsqueeze", x.site(), dim, x->rank() + 1);
  Shape shape = x->shape();
  Strides strides = x->strides();
  strides.insert(at, at < x->rank() ? strides[at] * shape[at] : 1, x.site());
  shape.insert(at, 1);
  return apply("unsqueeze", {x}, view(*x, shape, strides),
               wrt(x, [at](const Tensor& g) { return squeeze(g, static_cast<std::int64_t>(at)); }));
}

Tensor slice(Operand x, std::int64_t dim, std::int64_t start, std::int64_t end, std::int64_t step) {
  const std::size_t d = wrap_dim("slice", x.site(), dim, x->rank());
  const std::int64_t size = x->shape()[d];
  if (step < 1) {
    misuse("slice", x.site(), fmt::format("the step is {}, and must be at least 1", step),
           "flip() reverses a dimension.");
  }
  // As in Python, positions beyond either end mean that end.
  start = std::clamp<std::int64_t>(start < 0 ? start + size : start, 0, size);
  end = std::clamp<std::int64_t>(end < 0 ? end + size : end, start, size);
  Shape shape = x->shape();
  Strides strides = x->strides();
  shape[d] = divide_up(end - start, step);
  strides[d] *= step;
  return apply("slice", {x}, view(*x, shape, strides, start * x->strides()[d]),
               wrt(x, [=, from = x->shape()](const Tensor& g) {
                 return place(g, from, dim, start, end, step);
               }));
}

Tensor select(Operand x, std::int64_t dim, std::int64_t index) {
  const std::size_t d = wrap_dim("select", x.site(), dim, x->rank());
  const std::int64_t size = x->shape()[d];
  const std::int64_t at = index < 0 ? index + size : index;
  if (at < 0 || at >= size) {
    misuse("select", x.site(),
           fmt::format("index {} is out of range in dimension {} of {}", index, dim,
                       to_string(x->shape())));
  }
  return squeeze({slice(x, dim, at, at + 1), x.site()}, static_cast<std::int64_t>(d));
}

Tensor flip(Operand x, std::int64_t dim) {
  const std::size_t d = wrap_dim("flip", x.site(), dim, x->rank());
  Strides strides = x->strides();
  const std::int64_t last = std::max<std::int64_t>(x->shape()[d] - 1, 0) * strides[d];
  strides[d] = -strides[d];
  return apply("flip", {x}, view(*x, x->shape(), strides, last),
               wrt(x, [dim](const Tensor& g) { return flip(g, dim); }));
}

Tensor contiguous(Operand x) {
  return x->is_contiguous() ? *x : clone(x);
}

Tensor clone(Operand x) {
  Tensor value = empty(x->shape(), x->dtype());
  copy_strided(x->shape(), value.bytes(),
               {x->bytes(), &x->strides(), item_size(x->dtype()), x->is_contiguous()});
  return apply("clone", {x}, std::move(value), wrt(x, [](const Tensor& g) { return g; }));
}

Tensor to(Operand x, DType dtype) {
  if (dtype == x->dtype()) return *x;
  Tensor value = dispatch(x->dtype(), [&]<class From>(From) {
    return dispatch(dtype, [&]<class To>(To) {
      return evaluate<To, From>([](From v) { return static_cast<To>(v); }, x->shape(), *x);
    });
  });
  if (!is_floating(dtype)) return value;
  return apply("to", {x}, std::move(value),
               wrt(x, [from = x->dtype()](const Tensor& g) { return to(g, from); }));
}

}  // namespace attune
