#include "autograd/elementwise.h"

#include <algorithm>

namespace attune::detail {
namespace {

void evaluate_contiguous(Tensor& out, std::span<const Tensor* const> in, ElementLoop loop,
                         const void* formula) {
  std::array<const void*, max_element_inputs> data;
  for (std::size_t i = 0; i < in.size(); ++i) data[i] = in[i]->bytes();
  run_contiguous(out.numel(), out.bytes(), data.data(), loop, formula);
}

void evaluate_strided(Tensor& out, std::span<const Tensor* const> in, ElementLoop loop,
                      const void* formula) {
  const Shape& shape = out.shape();
  std::array<ElementInput, max_element_inputs> inputs;
  std::array<Strides, max_element_inputs> repeating;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Tensor& tensor = *in[i];
    const bool same = tensor.shape() == shape;
    if (!same) repeating[i] = broadcast_strides(tensor.shape(), tensor.strides(), shape);
    inputs[i] = {tensor.bytes(), same ? &tensor.strides() : &repeating[i],
                 item_size(tensor.dtype()), same && tensor.is_contiguous()};
  }
  run_elementwise(shape, out.bytes(), item_size(out.dtype()), std::span(inputs).first(in.size()),
                  loop, formula);
}

}  // namespace

Tensor evaluate_loop(DType dtype, const Shape& shape, std::span<const Tensor* const> in,
                     ElementLoop loop, const void* formula) {
  Tensor out = empty(shape, dtype);
  const bool contiguous = std::all_of(in.begin(), in.end(), [&](const Tensor* tensor) {
    return tensor->is_contiguous() && tensor->shape() == shape;
  });
  contiguous ? evaluate_contiguous(out, in, loop, formula)
             : evaluate_strided(out, in, loop, formula);
  return out;
}

}  // namespace attune::detail
