#pragma once
// The functions that layer_norm() and rms_norm() (autograd/ops.h) compute, in ordinary ops, which
// define them.

#include "autograd/tensor.h"

namespace attune {

Tensor layer_norm_composition(const Tensor& x, const Tensor& weight, const Tensor& bias,
                              double eps);
Tensor rms_norm_composition(const Tensor& x, const Tensor& weight, double eps);

}  // namespace attune
