#pragma once
// A model that reads a source and writes a target, of the kind that its options name: a recurrent
// encoder and decoder with attention (recurrent.h), or the transformer (transformer_seq2seq.h).

#include <memory>
#include <string_view>

#include "nn/attention.h"
#include "nn/encoder_decoder.h"

namespace attune::nn {

enum class Architecture { gru, lstm, transformer };
// "gru", "lstm", "transformer"; Error with that list for another name.
Architecture architecture_by_name(std::string_view name);
std::string_view name_of(Architecture architecture);

// When a recurrent decoder attends: before its unit steps, with the state it has (Bahdanau, Cho &
// Bengio 2015), or after, with the state it has reached, feeding what it saw into the next step
// (Luong, Pham & Manning 2015).
enum class Attending { before, after };
// "before" and "after".
Attending attending_by_name(std::string_view name);
std::string_view name_of(Attending attending);

struct Seq2SeqOptions {
  std::int64_t source_vocabulary = 0;
  std::int64_t target_vocabulary = 0;
  std::int64_t embedding = 64;        // recurrent only
  std::int64_t hidden = 128;          // of a transformer: the features of every step
  std::int64_t attention_size = 128;  // units of the additive score
  std::int64_t layers = 1;            // of the encoder and of the decoder
  double dropout = 0;
  // With Attention::none a recurrent decoder sees the source through its initial state alone, the
  // fixed vector of Sutskever et al. (2014); with Attention::fixed every step is shown that vector
  // too, as by Cho et al. (2014). A transformer's heads attend by this score, multihead being
  // scaled; it cannot do without.
  Attention attention = Attention::additive;
  Architecture architecture = Architecture::gru;
  Attending attending = Attending::before;  // recurrent only
  std::int64_t heads = 4;                   // of multi-head attention
  std::int64_t feedforward = 512;           // transformer only
  // Whether a recurrent decoder without attention begins with what both directions of the encoder
  // have read. It was the backward direction's alone in checkpoints that do not say.
  bool bridge_both = true;
};

class Seq2Seq : public Module {
 public:
  using Memory = nn::Memory;
  using State = DecoderState;
  using Encoded = nn::Encoded;
  using Step = nn::Step;

  // Error if the options make no model. A recurrent decoder attends by `score`, if one is given, of
  // queries [.., hidden] and keys [.., 2 hidden], instead of the one that the options name.
  explicit Seq2Seq(const Seq2SeqOptions& options, std::shared_ptr<Score> score = nullptr);

  const Seq2SeqOptions& options() const { return options_; }
  // Whether its steps have weights to show.
  bool attends() const;

  // See EncoderDecoder.
  Encoded encode(const Tensor& source, const Tensor& lengths) const;
  Step step(const Tensor& previous, const State& state, const Memory& memory) const;
  Tensor logits(const Tensor& outputs) const;

  // The logits of every target position [batch, target, target_vocabulary]. The decoder is fed the
  // right previous token (teacher forcing), or, with probability `sampling` at each step and row,
  // the one it would itself have chosen (scheduled sampling, Bengio et al. 2015).
  Tensor forward(const Batch& batch, double sampling = 0) const;
  // The mean cross-entropy of these logits with the right tokens, padding left out, without ever
  // holding all of them.
  Tensor loss(const Batch& batch, double label_smoothing = 0, double sampling = 0) const;

 private:
  // What the logits of every target position are made from, as in EncoderDecoder::outputs().
  Packed outputs(const Batch& batch, double sampling, const Tensor& lengths = {}) const;
  Tensor sampled_outputs(const Tensor& previous, const Encoded& encoded, double sampling) const;

  Seq2SeqOptions options_;
  std::shared_ptr<EncoderDecoder> parts_;
};

}  // namespace attune::nn
