#include "autograd/elementwise.h"

namespace attune::detail {

Tensor evaluate_loop(DType dtype, const Shape& shape, std::span<const Tensor* const> in,
                     ElementLoop loop, const void* formula) {
  Tensor out = empty(shape, dtype);
  std::array<ElementInput, max_element_inputs> inputs;
  std::array<Strides, max_element_inputs> repeating;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Tensor& tensor = *in[i];
    const bool same = tensor.shape() == shape;
    if (!same) repeating[i] = broadcast_strides(tensor.shape(), tensor.strides(), shape);
    inputs[i] = {tensor.bytes(), same ? &tensor.strides() : &repeating[i],
                 item_size(tensor.dtype()), same && tensor.is_contiguous()};
  }
  run_elementwise(shape, out.bytes(), item_size(dtype), std::span(inputs).first(in.size()), loop,
                  formula);
  return out;
}

}  // namespace attune::detail
