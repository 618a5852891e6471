#pragma once

#include "nn/module.h"

namespace attune::nn {

// y = (x - mean) / sqrt(variance + eps) weight + bias over the last dimension (Ba, Kiros & Hinton
// 2016).
class LayerNorm : public Module {
 public:
  explicit LayerNorm(std::int64_t features, double epsilon = 1e-5)
      : weight(parameter("weight", ones({features}))),
        bias(parameter("bias", zeros({features}))),
        eps(epsilon) {}

  Tensor forward(const Tensor& x) const {
    const Scope in = scope();
    return layer_norm(x, weight, bias, eps);
  }

  Tensor weight;  // [features]
  Tensor bias;    // [features]
  double eps;
};

// y = x / sqrt(mean x^2 + eps) weight over the last dimension (Zhang & Sennrich 2019).
class RMSNorm : public Module {
 public:
  explicit RMSNorm(std::int64_t features, double epsilon = 1e-6)
      : weight(parameter("weight", ones({features}))), eps(epsilon) {}

  Tensor forward(const Tensor& x) const {
    const Scope in = scope();
    return rms_norm(x, weight, eps);
  }

  Tensor weight;  // [features]
  double eps;
};

}  // namespace attune::nn
