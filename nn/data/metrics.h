#pragma once
// How well translations agree with their references. `hypotheses[i]` is judged against
// `references[i]`; every function throws Error if the two differ in number or there are none.

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "nn/data/vocabulary.h"

namespace attune::data {

// The share of hypotheses that equal their reference token for token.
double exact_match(std::span<const TokenSequence> hypotheses,
                   std::span<const TokenSequence> references);

// The share of positions that hold the right token, over the whole corpus. The longer of the two
// sequences says how many positions there are, so that a missing and a surplus token both count as
// wrong: it is 1 only if all are equal.
double token_accuracy(std::span<const TokenSequence> hypotheses,
                      std::span<const TokenSequence> references);

// The smallest number of insertions, deletions and substitutions of a token that turns `a` into `b`
// (Levenshtein 1966).
std::size_t edit_distance(std::span<const std::string> a, std::span<const std::string> b);

// The edit distances of the corpus over the tokens of its references: the word error rate of speech
// recognition, the phoneme error rate of pronunciation. Unlike token accuracy it forgives the
// positions behind an inserted or missing token. 0 is perfect; it can exceed 1. Throws Error if all
// references are empty.
double token_error_rate(std::span<const TokenSequence> hypotheses,
                        std::span<const TokenSequence> references);

// The place among `references`, of which there is at least one, of that which the hypothesis comes
// closest to: the fewest edits, the first among equals. Throws Error where there is none.
std::size_t closest_reference(std::span<const std::string> hypothesis,
                              std::span<const TokenSequence> references);

struct Bleu {
  double score = 0;                       // from 0 to 1; usually printed times 100
  std::array<double, 4> precisions = {};  // of 1-grams to 4-grams
  double brevity_penalty = 0;
};

// Corpus BLEU-4 with one reference (Papineni et al. 2002, "BLEU: a method for automatic evaluation
// of machine translation"): the geometric mean of the clipped n-gram precisions of the whole corpus
// times the brevity penalty exp(min(0, 1 - reference tokens / hypothesis tokens)). Nothing is
// smoothed: where no n-gram of some order matches, or no hypothesis is long enough to have one,
// that precision and the score are 0.
Bleu bleu(std::span<const TokenSequence> hypotheses, std::span<const TokenSequence> references);

}  // namespace attune::data
