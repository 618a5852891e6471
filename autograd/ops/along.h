#pragma once
// What ops that work along one dimension share.

#include "autograd/op.h"

namespace attune::detail {

// A tensor seen as [outer, n, inner] around a dimension.
struct Around {
  std::int64_t outer = 1;
  std::int64_t n;
  std::int64_t inner = 1;
  Around(const Shape& shape, std::size_t dim) : n(shape[dim]) {
    for (std::size_t d = 0; d < dim; ++d) outer *= shape[d];
    for (std::size_t d = dim + 1; d < shape.size(); ++d) inner *= shape[d];
  }
};

// f(x) for a function of a row, of a scalar, which passes for a row of one.
template <class F>
Tensor of_scalar(Operand x, F f) {
  const Tensor row = reshape(x, {1});
  return reshape({f(Operand(row, x.site())), x.site()}, {});
}

}  // namespace attune::detail
