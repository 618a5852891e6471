#pragma once
// The encoder-decoder of Bahdanau, Cho & Bengio (2015): a bidirectional GRU reads the source, and a
// GRU writes the target, looking back at every step at the source states that answer its own state.
// With Attention::none the decoder sees the source through its initial state alone, the fixed
// vector of Cho et al. (2014) and Sutskever et al. (2014).

#include <optional>
#include <vector>

#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/rnn.h"

namespace attune::nn {

struct Seq2SeqOptions {
  std::int64_t source_vocabulary = 0;
  std::int64_t target_vocabulary = 0;
  std::int64_t embedding = 64;
  std::int64_t hidden = 128;
  std::int64_t attention_size = 128;  // units of the additive score
  std::int64_t layers = 1;            // of the encoder and of the decoder
  double dropout = 0;
  Attention attention = Attention::additive;
};

// Sentences side by side, padded at the end.
struct Batch {
  Tensor source;          // int64 [batch, source]
  Tensor source_lengths;  // int64 [batch]
  Tensor target_in;       // int64 [batch, target]: begins with <bos>
  Tensor target_out;      // int64 [batch, target]: target_in one step ahead, ends with <eos>
};

class Seq2Seq : public Module {
 public:
  // What the decoder looks at: the source as the encoder saw it.
  struct Memory {
    Tensor keys;    // [batch, source, ..], prepared for the score; undefined without attention
    Tensor values;  // [batch, source, 2 hidden]
    Tensor mask;    // [batch, 1, source], true at padding
  };
  // Where the decoder stands: the hidden state of every layer, each [batch, hidden].
  using State = std::vector<Tensor>;
  struct Encoded {
    Memory memory;
    State state;
  };
  struct Step {
    State state;
    Tensor output;   // [batch, hidden]: the top layer's state, dropped out
    Tensor weights;  // [batch, source]; undefined without attention
  };

  explicit Seq2Seq(const Seq2SeqOptions& options);

  const Seq2SeqOptions& options() const { return options_; }

  // source int64 [batch, source], lengths int64 [batch].
  Encoded encode(const Tensor& source, const Tensor& lengths) const;
  // One step of the decoder from the tokens before it, int64 [batch].
  Step step(const Tensor& previous, const State& state, const Memory& memory) const;
  // step.output [.., hidden] -> scores of the next token [.., target_vocabulary].
  Tensor logits(const Tensor& output) const;

  // The logits of every target position [batch, target, target_vocabulary]. The decoder is fed the
  // right previous token (teacher forcing), or, with probability `sampling` at each step and row,
  // the one it would itself have chosen (scheduled sampling, Bengio et al. 2015).
  Tensor forward(const Batch& batch, double sampling = 0) const;

 private:
  Seq2SeqOptions options_;
  Embedding source_embedding_;
  Embedding target_embedding_;
  GRU encoder_;
  std::vector<Linear> bridges_;  // from each encoder layer's backward state to a decoder state
  std::optional<Linear> key_projection_;  // to the size of the query, where the score needs it
  std::shared_ptr<Score> score_;
  std::vector<GRUCell> decoder_;
  Dropout dropout_;
  Linear output_;
};

// A decoded sentence.
struct Hypothesis {
  std::vector<std::int64_t> tokens;         // without <bos> and <eos>
  double log_probability = 0;               // natural, of the tokens and <eos>
  std::vector<std::vector<float>> weights;  // [tokens, source]: what each token looked at; empty
                                            // without attention or if not kept
  bool finished = false;                    // <eos> was reached within the limit
};

struct DecodeOptions {
  std::int64_t bos = 1;
  std::int64_t eos = 2;
  std::int64_t max_length = 100;  // tokens
  std::int64_t beam = 1;          // hypotheses kept; 1 is greedy
  // Hypotheses compete by log P / ((5 + length) / 6)^alpha (Wu et al. 2016).
  double length_penalty = 0.6;
  bool keep_weights = true;  // fill in Hypothesis::weights
};

// The likeliest token at every step, for every row of a batch.
std::vector<Hypothesis> greedy(const Seq2Seq& model, const Tensor& source, const Tensor& lengths,
                               const DecodeOptions& options = {});
// Beam search for one source, int64 [1, source]: up to options.beam hypotheses that end within the
// limit, the best first; where none does, those that are cut off there. At every step the best
// continuations of all hypotheses are kept, options.beam many, and those that end are set apart; so
// a beam of 1 is greedy decoding.
std::vector<Hypothesis> beam_search(const Seq2Seq& model, const Tensor& source,
                                    const DecodeOptions& options);

}  // namespace attune::nn
