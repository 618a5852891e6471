#pragma once
// The recurrent encoder-decoder: a bidirectional GRU or LSTM reads the source, and another writes
// the target, looking back at every step at the source states that answer its own state.

#include <memory>
#include <optional>
#include <vector>

#include "autograd/fused/attention_gru.h"
#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/encoder_decoder.h"
#include "nn/linear.h"
#include "nn/rnn.h"
#include "nn/seq2seq.h"

namespace attune::nn {

// How a decoder's state looks at the source: by one score, or by several heads.
class Look : public Module {
 public:
  // Parameters: those of the score, "key_projection" where keys must first be brought to the size
  // of the query, or those of the heads.
  Look(const Seq2SeqOptions& options, std::int64_t memory_size, std::shared_ptr<Score> score);

  // The features of what it sees.
  std::int64_t context_size() const { return context_size_; }
  // What it is to look at: the encoder's states, and the mask [batch, 1, source] over their
  // padding.
  Memory prepare(const Packed& states, const Tensor& mask) const;
  // The score, if it is additive; else null.
  const AdditiveScore* additive() const;
  // query [batch, hidden] -> context [batch, context size], weights [batch, source].
  Attended operator()(const Tensor& query, const Memory& memory) const;

 private:
  std::int64_t context_size_;
  std::optional<Linear> key_projection_;
  std::shared_ptr<Score> score_;
  std::optional<MultiheadAttention> heads_;
};

// With Attending::before, the decoder of Bahdanau, Cho & Bengio (2015):
//
//     c_t = look(s_{t-1}),  s_t = cell([e(y_{t-1}); c_t], s_{t-1}),  output = s_t
//
// and with Attending::after, that of Luong, Pham & Manning (2015) with input feeding:
//
//     s_t = cell([e(y_{t-1}); a_{t-1}], s_{t-1}),  a_t = tanh(W_c [look(s_t); s_t]),  output = a_t
//
// Without attention c_t is left out, or, with Attention::fixed, is what both directions of the
// encoder ended with: the same for all t (Cho et al. 2014).
class RecurrentEncoderDecoder : public EncoderDecoder {
 public:
  explicit RecurrentEncoderDecoder(const Seq2SeqOptions& options,
                                   std::shared_ptr<Score> score = nullptr);

  Encoded encode(const Tensor& source, const Tensor& lengths) const override;
  Step step(const Tensor& previous, const DecoderState& state, const Memory& memory) const override;
  Packed outputs(const Batch& batch, const Tensor& target_lengths) const override;
  const Linear& output_layer() const override { return output_; }

 private:
  // What fused_states() looks at: keys [batch, source, attention], values [batch, source, features]
  // and the mask over them, or all that packed, and its steps.
  struct LookedAt {
    Tensor keys, values, mask;
    std::optional<Steps> steps = std::nullopt;
  };

  bool lstm() const { return !lstm_decoder_.empty(); }
  // What the encoder makes of a source.
  Recurrent::Sequence read(const Tensor& source, const Tensor& lengths) const;
  // The state holds every layer's h, then every layer's c of an LSTM, then a of Luong's decoder.
  std::size_t layers() const { return bridges_.size(); }
  DecoderState initial_state(const std::vector<Tensor>& last, std::int64_t batch) const;
  Step step_from(const Tensor& embedded, const DecoderState& state, const Memory& memory) const;
  Vectors embed(const Embedding& table, const Tensor& ids) const;
  // All states [steps, hidden] at once, where a fused op computes them: one layer of GRU, additive
  // attention before each step.
  AttentionGRUResult fused_states(const Vectors& embedded, const Steps& steps,
                                  const DecoderState& state, const LookedAt& source) const;
  bool has_fused_states() const;
  // Of the first layer: W_ih by the columns for the embedding and for the context.
  std::vector<Tensor> input_weights() const;
  // The same where nothing is looked at: sequences of the layers' units, one upon the other.
  Tensor sequences(const Vectors& embedded, const Steps& steps, const Encoded& encoded) const;
  bool has_sequences() const;
  // The cells of all layers, one upon the other; the new states go to `next`.
  Tensor run_cells(Tensor x, const DecoderState& state, DecoderState& next) const;

  // Checkpoints number the optimiser's state by the order in which these are registered.
  std::int64_t hidden_;
  bool after_, fixed_, bridge_both_;
  Embedding source_embedding_, target_embedding_;
  std::optional<GRU> gru_;
  std::optional<LSTM> lstm_;
  Dropout dropout_;
  Linear output_;
  std::optional<Look> look_;
  std::vector<Linear> bridges_;       // from each encoder layer's last state to a decoder state
  std::vector<Linear> cell_bridges_;  // likewise for the cells of an LSTM
  std::vector<GRUCell> gru_decoder_;
  std::vector<LSTMCell> lstm_decoder_;
  std::optional<Linear> combine_;  // W_c
};

}  // namespace attune::nn
