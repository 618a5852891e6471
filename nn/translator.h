#pragma once
// A trained model together with the vocabularies and the tokenizer it was trained with: text in,
// text out.

#include <string>
#include <vector>

#include "nn/checkpoint.h"
#include "nn/data/pairs.h"
#include "nn/data/vocabulary.h"
#include "nn/seq2seq.h"

namespace attune::nn {

struct Translation {
  std::string text;
  std::vector<std::string> source_tokens;
  std::vector<std::string> target_tokens;
  std::vector<std::vector<float>> weights;  // [target, source]; empty without attention
  double log_probability = 0;
  bool finished = false;             // the model ended the sentence itself
  std::vector<std::string> unknown;  // source tokens that the vocabulary does not hold
};

// How well a model does on pairs it has not seen.
struct Evaluation {
  std::size_t pairs = 0;
  double exact_match = 0;     // share of sentences that are right in every token
  double token_accuracy = 0;  // as data::token_accuracy defines it
  double perplexity = 0;      // e^(mean -log P of a target token, <eos> included), teacher-forced
  double bleu = 0;            // corpus BLEU-4 in percent, for word tokens
};

class Translator {
 public:
  // The model in evaluation mode, with the checkpoint's parameters.
  explicit Translator(const Checkpoint& checkpoint);
  // The same around a model that lives elsewhere (and may go on training: the caller switches
  // mode).
  Translator(const Seq2Seq& model, data::Tokens tokens, data::Vocabulary source,
             data::Vocabulary target);

  // The best translation (beam of options.beam; bos and eos are filled in here).
  Translation translate(const std::string& text, DecodeOptions options = {}) const;
  // Greedy translations of many texts at once.
  std::vector<Translation> translate_all(const std::vector<std::string>& texts,
                                         DecodeOptions options = {}) const;
  Evaluation evaluate(const std::vector<data::Pair>& pairs,
                      const DecodeOptions& options = {}) const;

  // Token ids side by side, padded at the end: what Seq2Seq::forward takes.
  Batch batch(const std::vector<data::Pair>& pairs) const;

  const Seq2Seq& model() const { return model_; }
  const data::Vocabulary& source() const { return source_; }
  const data::Vocabulary& target() const { return target_; }
  data::Tokens tokens() const { return tokens_; }

 private:
  Seq2Seq model_;
  data::Tokens tokens_;
  data::Vocabulary source_;
  data::Vocabulary target_;
};

}  // namespace attune::nn
