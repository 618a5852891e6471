#pragma once
// The ids of tokens: row i of an embedding belongs to token i of a vocabulary.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace attune::data {

using TokenSequence = std::vector<std::string>;

// Lets a map from strings be searched by string_view without a copy.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

template <typename Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

// How often each token occurs, gathered sequence by sequence so that a corpus need not be held as
// tokens all at once.
class TokenCounts {
 public:
  void add(std::span<const std::string> sequence);
  const StringMap<std::size_t>& counts() const { return counts_; }

 private:
  StringMap<std::size_t> counts_;
};

struct VocabularyLimits {
  std::size_t max_size = 0;   // tokens in all, the four special ones included; 0: no limit
  std::size_t min_count = 1;  // rarer tokens are left out, and read as unknown
};

// A two-way map between tokens and the ids 0 .. size() - 1. The first four ids are special:
// padding, begin and end of a sequence, and the unknown token.
//
// The special tokens are ids, not words: a user's text that happens to hold "<pad>" gets an
// ordinary id for it, or the unknown one, so no text can put padding or an end into a sequence.
class Vocabulary {
 public:
  static constexpr std::int64_t pad = 0, bos = 1, eos = 2, unknown = 3;
  static constexpr std::size_t special_count = 4;

  // The special tokens alone.
  Vocabulary();
  // The most frequent tokens first, ties in the order of their bytes: equal counts give equal ids
  // on every machine. Throws Error for limits that leave no room for a token.
  explicit Vocabulary(const TokenCounts& counts, const VocabularyLimits& limits = {});
  // The inverse of tokens(): special tokens first, then distinct others; anything else is an Error.
  static Vocabulary from_tokens(std::span<const std::string> tokens);

  // All tokens in the order of their ids; the special ones are "<pad>", "<bos>", "<eos>", "<unk>".
  const std::vector<std::string>& tokens() const { return tokens_; }
  std::size_t size() const { return tokens_.size(); }

  // `unknown` for a token that is not in the vocabulary.
  std::int64_t id(std::string_view token) const;
  // Throws Error for an id outside 0 .. size() - 1.
  const std::string& token(std::int64_t id) const;
  bool contains(std::string_view token) const { return id(token) != unknown; }

  // One id a token; neither `bos` nor `eos` is added.
  std::vector<std::int64_t> encode(std::span<const std::string> tokens) const;
  // The tokens before the first `eos`; `pad` and `bos` are skipped, `unknown` reads "<unk>". Throws
  // Error for an id outside 0 .. size() - 1.
  TokenSequence decode(std::span<const std::int64_t> ids) const;

 private:
  void append(std::string token);

  std::vector<std::string> tokens_;
  StringMap<std::int64_t> ids_;  // of ordinary tokens only
};

}  // namespace attune::data
