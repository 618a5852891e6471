#pragma once

#include "nn/embedding.h"
#include "nn/module.h"

namespace attune::nn {

// In training, zeroes each element with probability p and scales the rest by 1 / (1 - p), so that
// the expectation stays (Srivastava et al. 2014); in evaluation, nothing.
class Dropout : public Module {
 public:
  explicit Dropout(double probability) : p(probability) {
    if (!(p >= 0 && p < 1)) throw Error("Dropout: the probability must lie in [0, 1).");
  }

  Tensor forward(const Tensor& x) const { return active() ? x * mask(x.shape(), x.dtype()) : x; }

  // What it would multiply a tensor of that shape by; undefined where it does nothing.
  Tensor factors(const Shape& shape, DType dtype) const {
    return active() ? mask(shape, dtype) : Tensor();
  }

  // Whether it changes anything now.
  bool active() const { return training() && p > 0; }

  double p;

 protected:
  // Factors 0 and 1 / (1 - p), newly drawn.
  Tensor mask(const Shape& shape, DType dtype) const {
    const Scope in = scope();
    return ge(rand(shape), p).to(dtype) * (1 / (1 - p));
  }
};

// Dropout that takes the same features from every step of x [batch, time, features], so that a
// recurrent network cannot see at the next step what it was denied at this one; also called
// variational (Gal & Ghahramani 2016).
class LockedDropout : public Dropout {
 public:
  using Dropout::Dropout;

  Tensor forward(const Tensor& x) const {
    return active() ? x * mask({x.size(0), 1, x.size(2)}, x.dtype()) : x;
  }
};

// Dropout that takes whole ids out of an embedding, wherever in the batch they occur (Gal &
// Ghahramani 2016): ids [..] -> [.., features].
class EmbeddingDropout : public Dropout {
 public:
  using Dropout::Dropout;

  Tensor forward(const Embedding& table, const Tensor& ids) const {
    const Tensor vectors = table.forward(ids);
    if (!active()) return vectors;
    return vectors * embedding(mask({table.weight.size(0), 1}, vectors.dtype()), ids);
  }
};

}  // namespace attune::nn
