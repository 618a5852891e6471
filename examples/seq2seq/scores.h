#pragma once
// How well a model does, in the words that its task is measured with.

#include <string>

#include "nn/data/tokenizer.h"
#include "nn/translator.h"

namespace seq2seq {

enum class Measure {
  exact,        // the share of answers that are right in every token
  bleu,         // BLEU-4 beside it
  error_rates,  // of words (WER) and of phonemes (PER)
};

// Of a task, by its name, with targets of such tokens.
Measure measure_of(const std::string& task, attune::data::Tokens target);

// "97.2 % right  perplexity 1.02", "WER 31.20 %  PER 7.41 %  perplexity 1.3".
std::string in_brief(const attune::nn::Evaluation& evaluation, Measure measure);
// "1,962 of 2,000 exactly right (98.10 %), 99.51 % of the tokens, perplexity 1.02".
std::string in_a_sentence(const attune::nn::Evaluation& evaluation, Measure measure);
// Lines of a name and a value.
std::string as_table(const attune::nn::Evaluation& evaluation, Measure measure);

}  // namespace seq2seq
