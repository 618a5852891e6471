#include "nn/transformer_seq2seq.h"

#include <cmath>

#include "nn/position.h"

namespace attune::nn {
namespace {

TransformerOptions layer_options(const Seq2SeqOptions& options) {
  return {
      .features = options.hidden,
      .heads = options.heads,
      .feedforward = options.feedforward,
      .dropout = options.dropout,
      .norm_first = true,
      .score = options.attention == Attention::multihead ? Attention::scaled : options.attention};
}

// An embedding whose vectors, times sqrt(features), are as long as a position's.
Embedding embedding_of(std::int64_t vocabulary, std::int64_t features) {
  Embedding result(vocabulary, features, padding_id);
  const NoGrad no_grad;
  result.weight.mul_(1 / std::sqrt(static_cast<double>(features)));
  return result;
}

}  // namespace

TransformerEncoderDecoder::TransformerEncoderDecoder(const Seq2SeqOptions& options)
    : features_(options.hidden),
      heads_(options.heads),
      source_embedding_(
          child("source_embedding", embedding_of(options.source_vocabulary, options.hidden))),
      target_embedding_(
          child("target_embedding", embedding_of(options.target_vocabulary, options.hidden))),
      encoder_(child("encoder", TransformerEncoder(layer_options(options), options.layers))),
      decoder_(child("decoder", TransformerDecoder(layer_options(options), options.layers))),
      dropout_(child("dropout", Dropout(options.dropout))),
      output_(child("output", Linear(options.hidden, options.target_vocabulary))) {}

Tensor TransformerEncoderDecoder::embed(const Embedding& embedding, const Tensor& tokens,
                                        const Tensor& positions) const {
  const Tensor embedded = embedding.forward(tokens) * std::sqrt(static_cast<double>(features_));
  return dropout_.forward(embedded + positions);
}

Tensor TransformerEncoderDecoder::embed(const Embedding& embedding, const Tensor& tokens,
                                        const Steps& steps) const {
  const Tensor positions =
      sinusoidal_positions(steps.time(), features_, 0, embedding.weight.dtype());
  const Tensor of_batch = expand(positions, {steps.batch(), steps.time(), features_});
  return embed(embedding, pack(tokens, steps), pack(of_batch, steps));
}

Tensor TransformerEncoderDecoder::read(const Tensor& source, const Steps& steps) const {
  return encoder_.forward(embed(source_embedding_, source, steps), steps);
}

Encoded TransformerEncoderDecoder::encode(const Tensor& source, const Tensor& lengths) const {
  const Steps steps(source.size(0), source.size(1), lengths, StepOrder::by_row);
  const Tensor seen = unpack(read(source, steps), steps);  // [batch, source, features]
  Encoded encoded;
  encoded.memory.mask = padding_mask(lengths, source.size(1));  // [batch, 1, source]
  for (const auto& [keys, values] : decoder_.begin(seen).memory) {
    encoded.memory.keys.push_back(keys);
    encoded.memory.values.push_back(values);
    // No step has been taken: keys and values of time 0.
    const Tensor none = zeros({source.size(0), heads_, 0, features_ / heads_}, seen.dtype());
    encoded.state.push_back(none);
    encoded.state.push_back(none);
  }
  return encoded;
}

TransformerDecoderLayer::Result TransformerEncoderDecoder::run(const Tensor& tokens,
                                                               DecoderState& state,
                                                               const Memory& memory) const {
  TransformerDecoder::Cache cache;
  for (std::size_t i = 0; i < memory.keys.size(); ++i) {
    cache.memory.push_back({memory.keys[i], memory.values[i]});
    cache.past.push_back({state[2 * i], state[2 * i + 1]});
  }
  const std::int64_t steps_before = state[0].size(-2);
  const Tensor positions = sinusoidal_positions(tokens.size(1), features_, steps_before,
                                                target_embedding_.weight.dtype());
  const auto result = decoder_.forward(embed(target_embedding_, tokens, positions), cache,
                                       unsqueeze(memory.mask, 1));
  for (std::size_t i = 0; i < memory.keys.size(); ++i) {
    state[2 * i] = cache.past[i].keys;
    state[2 * i + 1] = cache.past[i].values;
  }
  return result;
}

Step TransformerEncoderDecoder::step(const Tensor& previous, const DecoderState& state,
                                     const Memory& memory) const {
  Step result;
  result.state = state;
  const auto [output, weights] = run(unsqueeze(previous, 1), result.state, memory);
  result.output = squeeze(output, 1);
  result.weights = squeeze(weights, 1);
  return result;
}

Packed TransformerEncoderDecoder::outputs(const Batch& batch, const Tensor& target_lengths) const {
  const auto steps_of = [](const Tensor& tokens, const Tensor& lengths) {
    return Steps(tokens.size(0), tokens.size(1), lengths, StepOrder::by_row);
  };
  const Steps source = steps_of(batch.source, batch.source_lengths);
  const Steps target = steps_of(batch.target_in, target_lengths);
  const Tensor x = embed(target_embedding_, batch.target_in, target);
  return {decoder_.forward(x, target, read(batch.source, source), source), target};
}

}  // namespace attune::nn
