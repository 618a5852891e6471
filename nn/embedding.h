#pragma once

#include "nn/init.h"
#include "nn/module.h"

namespace attune::nn {

// A learned vector for every id: ids [..] -> [.., features]. The vector of padding_id, if that is
// not negative, begins as zero and gets no gradient.
class Embedding : public Module {
 public:
  Embedding(std::int64_t count, std::int64_t features, std::int64_t padding = -1)
      : weight(parameter("weight", init::normal({count, features}, 1))), padding_id(padding) {
    if (padding_id < 0) return;
    const NoGrad no_grad;
    select(weight, 0, padding_id).zero_();
  }

  Tensor forward(const Tensor& ids) const {
    const Scope in = scope();
    return embedding(weight, ids, padding_id);
  }

  Tensor weight;  // [count, features]
  std::int64_t padding_id;
};

}  // namespace attune::nn
