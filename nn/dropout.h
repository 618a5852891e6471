#pragma once

#include "nn/module.h"

namespace attune::nn {

// In training, zeroes each element with probability p and scales the rest by 1 / (1 - p), so that
// the expectation stays (Srivastava et al. 2014); in evaluation, nothing.
class Dropout : public Module {
 public:
  explicit Dropout(double probability) : p(probability) {
    if (!(p >= 0 && p < 1)) throw Error("Dropout: the probability must lie in [0, 1).");
  }

  Tensor forward(const Tensor& x) const {
    if (!training() || p == 0) return x;
    const Scope in = scope();
    const Tensor kept = ge(rand(x.shape()), p).to(x.dtype());
    return x * kept * (1 / (1 - p));
  }

  double p;
};

}  // namespace attune::nn
