#pragma once
// Elementwise ops from one formula. A formula is a generic lambda: called with scalars it is the
// body of one vectorised loop, called with Tensors it is a recorded expression.

#include <array>
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

// The tensor out[i] = formula(in[i]...) of that shape, to which the inputs broadcast. Not recorded.
// Out and In are the element types.
template <class Out, class... In, class F, class... Tensors>
Tensor evaluate(const F& formula, const Shape& shape, const Tensors&... in) {
  Tensor out = empty(shape, dtype_of<Out>());
  const std::array<ElementInput, sizeof...(In)> inputs{ElementInput{
      in.bytes(),
      in.shape() == shape ? in.strides() : broadcast_strides(in.shape(), in.strides(), shape),
      sizeof(In), in.is_contiguous() && in.shape() == shape}...};
  run_elementwise(shape, out.bytes(), sizeof(Out), inputs, FormulaLoop<F, Out, In...>::entry,
                  &formula);
  return out;
}

namespace detail {

template <class T, class>
using Repeat = T;

}  // namespace detail

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
