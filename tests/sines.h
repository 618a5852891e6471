#pragma once
// Numbers that another program can make again, to compare what it computes from them.

#include <cmath>
#include <vector>

#include "nn/module.h"

namespace attune {

// Element i is sin(0.7 i + phase).
inline Tensor sines(const Shape& shape, double phase) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < numel(shape); ++i) {
    values.push_back(std::sin(0.7 * static_cast<double>(i) + phase));
  }
  return from_vector(values, shape);
}

// Parameter k in the order of registration gets phase k.
inline void fill_with_sines(nn::Module& module) {
  module.to(DType::float64);
  double phase = 0;
  for (auto [name, tensor] : module.named_parameters()) {
    tensor.set_data(sines(tensor.shape(), phase++));
  }
}

inline Tensor parameter_of(const nn::Module& module, const std::string& name) {
  for (const auto& [own, tensor] : module.named_parameters()) {
    if (own == name) return tensor;
  }
  throw Error("no parameter " + name);
}

}  // namespace attune
