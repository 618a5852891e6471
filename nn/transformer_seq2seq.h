#pragma once
// The transformer as a model that reads a source and writes a target: embeddings with sinusoidal
// positions, and layers that are normalised first, so that they train without a warm-up of their
// own.

#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/encoder_decoder.h"
#include "nn/seq2seq.h"
#include "nn/transformer.h"

namespace attune::nn {

class TransformerEncoderDecoder : public EncoderDecoder {
 public:
  explicit TransformerEncoderDecoder(const Seq2SeqOptions& options);

  Encoded encode(const Tensor& source, const Tensor& lengths) const override;
  Step step(const Tensor& previous, const DecoderState& state, const Memory& memory) const override;
  Packed outputs(const Batch& batch, const Tensor& target_lengths) const override;
  const Linear& output_layer() const override { return output_; }

 private:
  // Tokens [..] as features [.., features]: sqrt(features) embedding + position.
  Tensor embed(const Embedding& embedding, const Tensor& tokens, const Tensor& positions) const;
  // The real steps [steps, features] of tokens [batch, time], the positions counted from 0.
  Tensor embed(const Embedding& embedding, const Tensor& tokens, const Steps& steps) const;
  // The source as the encoder sees it, step by step: [steps, features].
  Tensor read(const Tensor& source, const Steps& steps) const;
  // The next steps of the decoder, which the state keeps.
  TransformerDecoderLayer::Result run(const Tensor& tokens, DecoderState& state,
                                      const Memory& memory) const;

  std::int64_t features_, heads_;
  Embedding source_embedding_, target_embedding_;
  TransformerEncoder encoder_;
  TransformerDecoder decoder_;
  Dropout dropout_;
  Linear output_;
};

}  // namespace attune::nn
