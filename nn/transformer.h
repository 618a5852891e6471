#pragma once
// The transformer of Vaswani et al. (2017): layers of attention and of a feed-forward network, each
// added to its input and normalised. Parameters are named as PyTorch names them.

#include <vector>

#include "nn/attention.h"
#include "nn/norm.h"

namespace attune::nn {

enum class Activation { relu, gelu };

struct TransformerOptions {
  std::int64_t features = 512;
  std::int64_t heads = 8;
  std::int64_t feedforward = 2048;  // units of the hidden layer
  double dropout = 0.1;
  Activation activation = Activation::relu;
  bool norm_first =
      false;  // x + f(norm(x)), which trains without warm-up, instead of norm(x + f(x))
  double eps = 1e-5;
  Attention score = Attention::scaled;
};

// What all layers share: the feed-forward network, and how a sublayer is added to its input.
class TransformerLayer : public Module {
 protected:
  TransformerLayer(const TransformerOptions& options);

  // linear2(activation(linear1(x)))
  Tensor feed_forward(const Tensor& x) const;
  // x + f(norm(x)) or norm(x + f(x)), with dropout on f's result.
  template <class F>
  Tensor add(const Tensor& x, const LayerNorm& norm, const F& f) const {
    if (norm_first_) return x + dropout_.forward(f(norm.forward(x)));
    return norm.forward(x + dropout_.forward(f(x)));
  }

 private:
  bool norm_first_;
  Activation activation_;
  Linear linear1_, linear2_;
  Dropout dropout_;
};

class TransformerEncoderLayer : public TransformerLayer {
 public:
  explicit TransformerEncoderLayer(const TransformerOptions& options);

  // x [batch, time, features] -> the same shape. The mask broadcasts to [batch, heads, time, time];
  // true where a step must not look.
  Tensor forward(const Tensor& x, const Tensor& mask = {}) const;
  // The same over the real steps of a batch alone, packed row by row: [steps, features].
  Tensor forward(const Tensor& x, const Steps& steps) const;

 private:
  MultiheadAttention self_attn_;
  LayerNorm norm1_, norm2_;
};

class TransformerDecoderLayer : public TransformerLayer {
 public:
  explicit TransformerDecoderLayer(const TransformerOptions& options);

  using Projected = MultiheadAttention::Projected;
  struct Result {
    Tensor output;   // [batch, time, features]
    Tensor weights;  // [batch, heads, time, source]: where it looked in the memory
  };

  // The memory as this layer's heads see it.
  Projected project_memory(const Tensor& memory) const;
  // Steps x [batch, time, features] that come after those in `past`, to which they are added: what
  // the steps see is all of it up to themselves. Before the first step `past` is empty.
  Result forward(const Tensor& x, const Projected& memory, const Tensor& memory_mask,
                 Projected& past) const;
  // All real steps of a batch at once, packed row by row: x [steps, features] and the memory
  // [steps', features] -> [steps, features].
  Tensor forward(const Tensor& x, const Steps& steps, const Tensor& memory,
                 const Steps& of_memory) const;

 private:
  MultiheadAttention self_attn_, multihead_attn_;
  LayerNorm norm1_, norm2_, norm3_;
};

// Layers one upon the other, "layers.0" and so on; with norm_first a norm at the end, "norm".
class TransformerEncoder : public Module {
 public:
  TransformerEncoder(const TransformerOptions& options, std::int64_t layers);
  // As TransformerEncoderLayer::forward().
  Tensor forward(const Tensor& x, const Tensor& mask = {}) const;
  Tensor forward(const Tensor& x, const Steps& steps) const;

 private:
  std::vector<TransformerEncoderLayer> layers_;
  std::vector<LayerNorm> norm_;  // one or none
};

class TransformerDecoder : public Module {
 public:
  TransformerDecoder(const TransformerOptions& options, std::int64_t layers);

  // What a decoder keeps while it writes: for each layer the memory's keys and values, and those of
  // the steps taken so far.
  struct Cache {
    std::vector<MultiheadAttention::Projected> memory, past;
  };
  Cache begin(const Tensor& memory) const;
  // The next steps, one or all of them, as TransformerDecoderLayer::forward(). The weights are
  // those of the last layer, the mean of its heads: [batch, time, source].
  TransformerDecoderLayer::Result forward(const Tensor& x, Cache& cache,
                                          const Tensor& memory_mask = {}) const;
  // All steps at once, as TransformerDecoderLayer::forward().
  Tensor forward(const Tensor& x, const Steps& steps, const Tensor& memory,
                 const Steps& of_memory) const;

 private:
  std::vector<TransformerDecoderLayer> layers_;
  std::vector<LayerNorm> norm_;  // one or none
};

}  // namespace attune::nn
