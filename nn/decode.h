#pragma once
// Sentences from a trained model: the likeliest token each time, or beam search.

#include <vector>

#include "nn/seq2seq.h"

namespace attune::nn {

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
