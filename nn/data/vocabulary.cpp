// Counting tokens, ranking them, and the map both ways.

#include "nn/data/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "autograd/error.h"

namespace attune::data {

namespace {

const std::vector<std::string>& special_tokens() {
  static const std::vector<std::string> tokens = {"<pad>", "<bos>", "<eos>", "<unk>"};
  return tokens;
}

}  // namespace

void TokenCounts::add(std::span<const std::string> sequence) {
  for (const std::string& token : sequence) ++counts_[token];
}

Vocabulary::Vocabulary() : tokens_(special_tokens()) {}

Vocabulary::Vocabulary(const TokenCounts& counts, const VocabularyLimits& limits) : Vocabulary() {
  if (limits.max_size != 0 && limits.max_size <= special_count) {
    throw Error(
        fmt::format("a vocabulary of at most {} tokens has no room beside its {} special "
                    "tokens; allow at least {}, or 0 for no limit",
                    limits.max_size, special_count, special_count + 1));
  }
  std::vector<std::pair<std::size_t, std::string_view>> ranking;
  for (const auto& [token, count] : counts.counts()) {
    if (count >= limits.min_count) ranking.emplace_back(count, token);
  }
  std::sort(ranking.begin(), ranking.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (limits.max_size != 0) {
    ranking.resize(std::min(ranking.size(), limits.max_size - special_count));
  }
  for (const auto& [count, token] : ranking) append(std::string(token));
}

Vocabulary Vocabulary::from_tokens(std::span<const std::string> tokens) {
  const auto& special = special_tokens();
  if (tokens.size() < special_count ||
      !std::equal(special.begin(), special.end(), tokens.begin())) {
    throw Error(
        fmt::format("a vocabulary must begin with the special tokens {}; these {} tokens do not",
                    fmt::join(special, " "), tokens.size()));
  }
  Vocabulary vocabulary;
  for (const std::string& token : tokens.subspan(special_count)) vocabulary.append(token);
  return vocabulary;
}

void Vocabulary::append(std::string token) {
  const auto id = static_cast<std::int64_t>(tokens_.size());
  const auto [place, is_new] = ids_.emplace(token, id);
  if (!is_new) {
    throw Error(fmt::format("a vocabulary holds the token \"{}\" twice, as {} and as {}", token,
                            place->second, id));
  }
  tokens_.push_back(std::move(token));
}

std::int64_t Vocabulary::id(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? unknown : found->second;
}

const std::string& Vocabulary::token(std::int64_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) {
    throw Error(fmt::format("there is no token {}: the ids of this vocabulary are 0 to {}", id,
                            tokens_.size() - 1));
  }
  return tokens_[static_cast<std::size_t>(id)];
}

std::vector<std::int64_t> Vocabulary::encode(std::span<const std::string> tokens) const {
  std::vector<std::int64_t> ids;
  ids.reserve(tokens.size());
  for (const std::string& token : tokens) ids.push_back(id(token));
  return ids;
}

TokenSequence Vocabulary::decode(std::span<const std::int64_t> ids) const {
  TokenSequence sequence;
  for (const std::int64_t id : ids) {
    if (id == eos) break;
    if (id != pad && id != bos) sequence.push_back(token(id));
  }
  return sequence;
}

}  // namespace attune::data
