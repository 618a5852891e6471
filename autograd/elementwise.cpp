#include "autograd/elementwise.h"

#include <algorithm>

namespace attune::detail {

namespace {

constexpr std::int64_t few = 1024;

}  // namespace

Tensor evaluate_loop(DType dtype, const Shape& shape, std::span<const Tensor* const> in,
                     ElementLoop loop, const void* formula) {
  Tensor out = empty(shape, dtype);
  const std::int64_t n = numel(shape);
  const auto direct = [&](const Tensor* x) { return x->is_contiguous() && x->shape() == shape; };
  // Nothing to walk or to share out: what is left is what an op on a few numbers costs.
  if (n <= few && std::all_of(in.begin(), in.end(), direct)) {
    std::array<const void*, max_element_inputs> data;
    for (std::size_t i = 0; i < in.size(); ++i) data[i] = in[i]->bytes();
    loop(formula, out.bytes(), data.data(), n);
    return out;
  }
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
