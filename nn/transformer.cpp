#include "nn/transformer.h"

#include <fmt/format.h>

namespace attune::nn {
namespace {

MultiheadAttention attention_of(const TransformerOptions& options) {
  return MultiheadAttention(options.features, options.heads,
                            {.score = options.score, .dropout = options.dropout});
}

LayerNorm norm_of(const TransformerOptions& options) {
  return LayerNorm(options.features, options.eps);
}

}  // namespace

TransformerLayer::TransformerLayer(const TransformerOptions& options)
    : norm_first_(options.norm_first),
      activation_(options.activation),
      linear1_(child("linear1", Linear(options.features, options.feedforward))),
      linear2_(child("linear2", Linear(options.feedforward, options.features))),
      dropout_(child("dropout", Dropout(options.dropout))) {}

Tensor TransformerLayer::feed_forward(const Tensor& x) const {
  const Tensor hidden = linear1_.forward(x);
  return linear2_.forward(
      dropout_.forward(activation_ == Activation::relu ? relu(hidden) : gelu(hidden)));
}

TransformerEncoderLayer::TransformerEncoderLayer(const TransformerOptions& options)
    : TransformerLayer(options),
      self_attn_(child("self_attn", attention_of(options))),
      norm1_(child("norm1", norm_of(options))),
      norm2_(child("norm2", norm_of(options))) {}

Tensor TransformerEncoderLayer::forward(const Tensor& x, const Tensor& mask) const {
  const Scope in = scope();
  const Tensor seen =
      add(x, norm1_, [&](const Tensor& y) { return self_attn_.forward(y, y, y, mask).context; });
  return add(seen, norm2_, [&](const Tensor& y) { return feed_forward(y); });
}

Tensor TransformerEncoderLayer::forward(const Tensor& x, const Steps& steps) const {
  const Scope in = scope();
  const Tensor seen = add(
      x, norm1_, [&](const Tensor& y) { return self_attn_.forward(y, steps, y, steps, false); });
  return add(seen, norm2_, [&](const Tensor& y) { return feed_forward(y); });
}

TransformerDecoderLayer::TransformerDecoderLayer(const TransformerOptions& options)
    : TransformerLayer(options),
      self_attn_(child("self_attn", attention_of(options))),
      multihead_attn_(child("multihead_attn", attention_of(options))),
      norm1_(child("norm1", norm_of(options))),
      norm2_(child("norm2", norm_of(options))),
      norm3_(child("norm3", norm_of(options))) {}

TransformerDecoderLayer::Projected TransformerDecoderLayer::project_memory(
    const Tensor& memory) const {
  const Scope in = scope();
  return multihead_attn_.project(memory, memory);
}

TransformerDecoderLayer::Result TransformerDecoderLayer::forward(const Tensor& x,
                                                                 const Projected& memory,
                                                                 const Tensor& memory_mask,
                                                                 Projected& past) const {
  const Scope in = scope();
  const Tensor written = add(x, norm1_, [&](const Tensor& y) {
    Projected now = self_attn_.project(y, y);
    if (past.keys.defined()) {
      now = {cat({past.keys, now.keys}, -2), cat({past.values, now.values}, -2)};
    }
    past = now;
    // One step alone sees all there is.
    const Tensor mask = y.size(1) == 1 ? Tensor() : causal_mask(y.size(1), now.keys.size(-2));
    return self_attn_.forward(y, now, mask).context;
  });
  Result result;
  const Tensor seen = add(written, norm2_, [&](const Tensor& y) {
    const Attended attended = multihead_attn_.forward(y, memory, memory_mask);
    result.weights = attended.weights;
    return attended.context;
  });
  result.output = add(seen, norm3_, [&](const Tensor& y) { return feed_forward(y); });
  return result;
}

Tensor TransformerDecoderLayer::forward(const Tensor& x, const Steps& steps, const Tensor& memory,
                                        const Steps& of_memory) const {
  const Scope in = scope();
  const Tensor written =
      add(x, norm1_, [&](const Tensor& y) { return self_attn_.forward(y, steps, y, steps, true); });
  const Tensor seen = add(written, norm2_, [&](const Tensor& y) {
    return multihead_attn_.forward(y, steps, memory, of_memory, false);
  });
  return add(seen, norm3_, [&](const Tensor& y) { return feed_forward(y); });
}

TransformerEncoder::TransformerEncoder(const TransformerOptions& options, std::int64_t layers) {
  for (std::int64_t i = 0; i < layers; ++i) {
    layers_.push_back(child(fmt::format("layers.{}", i), TransformerEncoderLayer(options)));
  }
  if (options.norm_first) norm_.push_back(child("norm", norm_of(options)));
}

Tensor TransformerEncoder::forward(const Tensor& x, const Tensor& mask) const {
  const Scope in = scope();
  Tensor y = x;
  for (const TransformerEncoderLayer& layer : layers_) y = layer.forward(y, mask);
  return norm_.empty() ? y : norm_[0].forward(y);
}

Tensor TransformerEncoder::forward(const Tensor& x, const Steps& steps) const {
  const Scope in = scope();
  Tensor y = x;
  for (const TransformerEncoderLayer& layer : layers_) y = layer.forward(y, steps);
  return norm_.empty() ? y : norm_[0].forward(y);
}

TransformerDecoder::TransformerDecoder(const TransformerOptions& options, std::int64_t layers) {
  for (std::int64_t i = 0; i < layers; ++i) {
    layers_.push_back(child(fmt::format("layers.{}", i), TransformerDecoderLayer(options)));
  }
  if (options.norm_first) norm_.push_back(child("norm", norm_of(options)));
}

TransformerDecoder::Cache TransformerDecoder::begin(const Tensor& memory) const {
  const Scope in = scope();
  Cache cache;
  for (const TransformerDecoderLayer& layer : layers_) {
    cache.memory.push_back(layer.project_memory(memory));
  }
  cache.past.resize(layers_.size());
  return cache;
}

TransformerDecoderLayer::Result TransformerDecoder::forward(const Tensor& x, Cache& cache,
                                                            const Tensor& memory_mask) const {
  const Scope in = scope();
  TransformerDecoderLayer::Result result{x, {}};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    result = layers_[i].forward(result.output, cache.memory[i], memory_mask, cache.past[i]);
  }
  if (!norm_.empty()) result.output = norm_[0].forward(result.output);
  if (result.weights.defined()) result.weights = mean(result.weights, {1});
  return result;
}

Tensor TransformerDecoder::forward(const Tensor& x, const Steps& steps, const Tensor& memory,
                                   const Steps& of_memory) const {
  const Scope in = scope();
  Tensor y = x;
  for (const TransformerDecoderLayer& layer : layers_) {
    y = layer.forward(y, steps, memory, of_memory);
  }
  return norm_.empty() ? y : norm_[0].forward(y);
}

}  // namespace attune::nn
