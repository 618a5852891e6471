#pragma once

#include "nn/init.h"
#include "nn/module.h"

namespace attune::nn {

// y = x W^T + b for x [.., in]: y [.., out].
class Linear : public Module {
 public:
  Linear(std::int64_t in, std::int64_t out, bool with_bias = true)
      : weight(parameter("weight", init::fan_in_uniform({out, in}, in))),
        bias(with_bias ? parameter("bias", init::fan_in_uniform({out}, in)) : Tensor()) {}
  // With the weight of another layer, such as an embedding's for the scores of the next token
  // (Press & Wolf 2017): both learn it.
  explicit Linear(const Tensor& tied, bool with_bias = true)
      : weight(parameter("weight", tied)),
        bias(with_bias ? parameter("bias", init::fan_in_uniform({tied.size(0)}, tied.size(1)))
                       : Tensor()) {}

  Tensor forward(const Tensor& x) const {
    const Scope in = scope();
    return linear(x, weight, bias);
  }

  Tensor weight;  // [out, in]
  Tensor bias;    // [out], or undefined
};

}  // namespace attune::nn
