#pragma once
// Elementwise ops from one formula. A formula is a generic lambda: called with scalars it is the
// body of one vectorised loop, called with Tensors it is a recorded expression.

#include <array>
#include <span>
#include <type_traits>

#include "autograd/kernels/elementwise.h"
#include "autograd/kernels/math.h"
#include "autograd/tensor.h"

namespace attune {

// The constant `value` in the type of a formula's argument: T over scalars, a Scalar over Tensors.
template <class T>
auto constant(const T&, double value) {
  if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<T>(value);
  } else {
    return Scalar(value);
  }
}

namespace detail {

// The tensor that the loop fills from the inputs, which broadcast to that shape.
Tensor evaluate_loop(DType dtype, const Shape& shape, std::span<const Tensor* const> in,
                     ElementLoop loop, const void* formula);

template <class T, class>
using Repeat = T;

}  // namespace detail

// The tensor out[i] = formula(in[i]...) of that shape, to which the inputs broadcast. Not recorded.
// Out and In are the element types.
template <class Out, class... In, class F, class... Tensors>
Tensor evaluate(const F& formula, const Shape& shape, const Tensors&... in) {
  const std::array<const Tensor*, sizeof...(In)> inputs{&in...};
  return detail::evaluate_loop(dtype_of<Out>(), shape, inputs, FormulaLoop<F, Out, In...>::entry,
                               &formula);
}

// evaluate() for floating inputs of one dtype and a result of the same.
template <class F, class... Tensors>
Tensor evaluate_floating(const F& formula, const Shape& shape, const Tensor& first,
                         const Tensors&... rest) {
  return dispatch_floating(first.dtype(), [&]<class T>(T) {
    return evaluate<T, T, detail::Repeat<T, Tensors>...>(formula, shape, first, rest...);
  });
}

// The same for any dtype but boolean.
template <class F, class... Tensors>
Tensor evaluate_numeric(const F& formula, const Shape& shape, const Tensor& first,
                        const Tensors&... rest) {
  return dispatch_numeric(first.dtype(), [&]<class T>(T) {
    return evaluate<T, T, detail::Repeat<T, Tensors>...>(formula, shape, first, rest...);
  });
}

}  // namespace attune
