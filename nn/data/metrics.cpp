// The metrics are sums over the corpus, divided once at the end.

#include "nn/data/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <numeric>
#include <string_view>
#include <vector>

#include "autograd/error.h"

namespace attune::data {

namespace {

using Corpus = std::span<const TokenSequence>;

void check(Corpus hypotheses, Corpus references) {
  if (hypotheses.size() != references.size()) {
    throw Error(fmt::format("cannot judge {} hypotheses by {} references; give one for each",
                            hypotheses.size(), references.size()));
  }
  if (hypotheses.empty()) throw Error("cannot judge no hypotheses; give at least one");
}

double ratio(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::size_t count_tokens(Corpus corpus) {
  return std::transform_reduce(corpus.begin(), corpus.end(), std::size_t{0}, std::plus<>(),
                               [](const TokenSequence& sequence) { return sequence.size(); });
}

}  // namespace

double exact_match(Corpus hypotheses, Corpus references) {
  check(hypotheses, references);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) equal += hypotheses[i] == references[i];
  return ratio(equal, hypotheses.size());
}

double token_accuracy(Corpus hypotheses, Corpus references) {
  check(hypotheses, references);
  std::size_t right = 0, positions = 0;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const auto& hypothesis = hypotheses[i];
    const auto& reference = references[i];
    const std::size_t common = std::min(hypothesis.size(), reference.size());
    for (std::size_t t = 0; t < common; ++t) right += hypothesis[t] == reference[t];
    positions += std::max(hypothesis.size(), reference.size());
  }
  return positions == 0 ? 1.0 : ratio(right, positions);
}

// Wagner and Fischer's dynamic programme, keeping one row: row[j] is the distance of the tokens of
// `a` seen so far from the first j of `b`.
std::size_t edit_distance(std::span<const std::string> a, std::span<const std::string> b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (const std::string& token : a) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (token != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

double token_error_rate(Corpus hypotheses, Corpus references) {
  check(hypotheses, references);
  const std::size_t tokens = count_tokens(references);
  if (tokens == 0) throw Error("the token error rate needs references with tokens; all are empty");
  std::size_t errors = 0;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    errors += edit_distance(hypotheses[i], references[i]);
  }
  return ratio(errors, tokens);
}

std::size_t closest_reference(std::span<const std::string> hypothesis, Corpus references) {
  if (references.empty()) throw Error("cannot judge a hypothesis by no references; give one");
  std::vector<std::size_t> edits;
  for (const TokenSequence& reference : references) {
    edits.push_back(edit_distance(hypothesis, reference));
  }
  return static_cast<std::size_t>(std::min_element(edits.begin(), edits.end()) - edits.begin());
}

namespace {

using NgramCounts = std::map<std::vector<std::string_view>, std::size_t>;

NgramCounts count_ngrams(const TokenSequence& sequence, std::size_t order) {
  NgramCounts counts;
  for (auto first = sequence.begin(); sequence.end() - first >= std::ptrdiff_t(order); ++first) {
    ++counts[{first, first + std::ptrdiff_t(order)}];
  }
  return counts;
}

// The modified n-gram precision: a hypothesis is credited with an n-gram no more often than its
// reference has it.
double clipped_precision(Corpus hypotheses, Corpus references, std::size_t order) {
  std::size_t matched = 0, total = 0;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const NgramCounts reference_counts = count_ngrams(references[i], order);
    for (const auto& [ngram, count] : count_ngrams(hypotheses[i], order)) {
      const auto found = reference_counts.find(ngram);
      if (found != reference_counts.end()) matched += std::min(count, found->second);
      total += count;
    }
  }
  return ratio(matched, total);
}

double brevity_penalty(std::size_t hypothesis_tokens, std::size_t reference_tokens) {
  if (hypothesis_tokens >= reference_tokens) return 1;
  if (hypothesis_tokens == 0) return 0;
  return std::exp(1 -
                  static_cast<double>(reference_tokens) / static_cast<double>(hypothesis_tokens));
}

}  // namespace

Bleu bleu(Corpus hypotheses, Corpus references) {
  check(hypotheses, references);
  Bleu result;
  double log_mean = 0;  // log 0 is minus infinity, whose exponential is the score 0
  for (std::size_t order = 1; order <= result.precisions.size(); ++order) {
    const double precision = clipped_precision(hypotheses, references, order);
    result.precisions[order - 1] = precision;
    log_mean += std::log(precision) / static_cast<double>(result.precisions.size());
  }
  result.brevity_penalty = brevity_penalty(count_tokens(hypotheses), count_tokens(references));
  result.score = result.brevity_penalty * std::exp(log_mean);
  return result;
}

}  // namespace attune::data
