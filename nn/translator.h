#pragma once
// A trained model together with the vocabularies and the tokenizer it was trained with: text in,
// text out.

#include <string>
#include <vector>

#include "nn/checkpoint.h"
#include "nn/data/pairs.h"
#include "nn/data/vocabulary.h"
#include "nn/decode.h"

namespace attune::nn {

struct Translation {
  std::string text;
  std::vector<std::string> source_tokens;
  std::vector<std::string> target_tokens;
  std::vector<std::vector<float>> weights;  // [target, source]; empty without attention
  double log_probability = 0;               // natural, of the target tokens and their end
  bool finished = false;                    // the model ended the sentence itself
  std::vector<std::string> unknown;         // source tokens, each once, that the vocabulary lacks
};

// How well translations do. Each is judged by that of its right targets which it comes closest to.
struct Evaluation {
  std::size_t pairs = 0;
  double exact_match = 0;       // share of sentences that are right in every token
  double token_accuracy = 0;    // as data::token_accuracy defines it
  double token_error_rate = 0;  // as data::token_error_rate defines it
  double perplexity = 0;        // e^(mean -log P of a target token, <eos> included), teacher-forced
  double bleu = 0;              // corpus BLEU-4 in percent; 0 unless the target is of words
};

class Translator {
 public:
  // The model in evaluation mode, with the checkpoint's parameters. Error where its parts do not
  // fit each other.
  explicit Translator(const Checkpoint& checkpoint);
  // The same around a model that lives elsewhere, and may go on training: the caller sees to it
  // that it is in evaluation mode here.
  Translator(const Seq2Seq& model, data::TokenKinds tokens, data::Vocabulary source,
             data::Vocabulary target);

  // In all that follows, bos and eos of the options are filled in here, a text without tokens
  // translates to the empty text, and invalid UTF-8 is an Error.

  // The best translation that a beam of options.beam finds; greedy if that is 1.
  Translation translate(const std::string& text, DecodeOptions options = {}) const;
  // Up to options.beam translations, the best first.
  std::vector<Translation> candidates(const std::string& text, DecodeOptions options = {}) const;
  // The best translation of each text, without attention weights. With a beam of 1 many texts are
  // decoded side by side.
  std::vector<Translation> translate_all(const std::vector<std::string>& texts,
                                         DecodeOptions options = {}) const;

  // How well a model does on pairs that it has not seen. Error where there are none.
  Evaluation evaluate(const std::vector<data::Pair>& pairs,
                      const DecodeOptions& options = {}) const;
  // The same for translations of the pairs' sources that have been made.
  Evaluation judge(const std::vector<Translation>& translations,
                   const std::vector<data::Pair>& pairs) const;

  // Whether a translation is one of the pair's right targets, token for token.
  bool is_right(const Translation& translation, const data::Pair& pair) const;

  // Token ids side by side, padded at the end: what Seq2Seq::forward takes.
  Batch batch(const std::vector<data::Pair>& pairs) const;

  const Seq2Seq& model() const { return model_; }
  const data::Vocabulary& source() const { return source_; }
  const data::Vocabulary& target() const { return target_; }
  data::TokenKinds tokens() const { return tokens_; }

 private:
  Translation read(const std::string& text) const;
  void write(const Hypothesis& hypothesis, Translation& translation) const;
  // That of the pair's right targets by which a hypothesis is judged.
  data::TokenSequence reference_for(const data::TokenSequence& hypothesis,
                                    const data::Pair& pair) const;
  double perplexity(const std::vector<data::Pair>& pairs) const;

  Seq2Seq model_;
  data::TokenKinds tokens_;
  data::Vocabulary source_;
  data::Vocabulary target_;
};

}  // namespace attune::nn
