#pragma once

#include "autograd/steps.h"
#include "nn/init.h"
#include "nn/module.h"

namespace attune::nn {

// The vectors of a batch [batch, time, features]. Of embedded tokens it may hold each distinct one
// but once, and where it stands: what is a function of one vector alone, such as its product with a
// weight, is then computed once for every token that occurs, not for every place it occurs at; and
// where nothing is recorded, once for as long as nothing changes.
class Vectors {
 public:
  Vectors(Tensor whole);  // [batch, time, features]
  // distinct [count, features], or the whole table of an embedding; places int64 [batch, time]
  // within 0 .. count.
  Vectors(Tensor distinct, Tensor places);

  std::int64_t batch() const { return places_.defined() ? places_.size(0) : vectors_.size(0); }
  std::int64_t time() const { return places_.defined() ? places_.size(1) : vectors_.size(1); }
  std::int64_t features() const { return vectors_.size(-1); }
  DType dtype() const { return vectors_.dtype(); }

  Tensor whole() const;  // [batch, time, features]
  // x W^T + b of the real steps, with weight [out, features] and bias [out] or undefined:
  // [steps, out].
  Tensor linear_of(const Steps& steps, const Tensor& weight, const Tensor& bias) const;

 private:
  Tensor vectors_, places_;
};

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

  // The same for ids [batch, time], without repetition if that is worth it.
  Vectors vectors(const Tensor& ids) const;

  Tensor weight;  // [count, features]
  std::int64_t padding_id;
};

}  // namespace attune::nn
