// Vocabularies: which tokens get which ids, and what becomes of the others.

#include "nn/data/vocabulary.h"

#include <doctest/doctest.h>

#include "autograd/error.h"

using attune::Error;
using attune::data::TokenCounts;
using attune::data::TokenSequence;
using attune::data::Vocabulary;
using Ids = std::vector<std::int64_t>;

namespace {

TokenCounts count(const std::vector<TokenSequence>& sequences) {
  TokenCounts counts;
  for (const auto& sequence : sequences) counts.add(sequence);
  return counts;
}

const TokenSequence specials = {"<pad>", "<bos>", "<eos>", "<unk>"};

TokenSequence with_specials(const TokenSequence& tokens) {
  TokenSequence all = specials;
  all.insert(all.end(), tokens.begin(), tokens.end());
  return all;
}

}  // namespace

TEST_CASE("an empty vocabulary holds the special tokens") {
  CHECK(Vocabulary().tokens() == specials);
  CHECK(Vocabulary(TokenCounts{}).tokens() == specials);
  CHECK(Vocabulary::pad == 0);
  CHECK(Vocabulary::bos == 1);
  CHECK(Vocabulary::eos == 2);
  CHECK(Vocabulary::unknown == 3);
}

TEST_CASE("frequent tokens come first, ties in the order of their bytes") {
  const Vocabulary vocabulary(count({{"b", "z", "a"}, {"c", "é", "c"}, {"z", "c"}}));
  CHECK(vocabulary.tokens() == with_specials({"c", "z", "a", "b", "é"}));
  CHECK(vocabulary.size() == 9);
  CHECK(vocabulary.id("c") == 4);
  CHECK(vocabulary.id("é") == 8);
  CHECK(vocabulary.token(5) == "z");
}

TEST_CASE("limits leave out the rare and the surplus") {
  const TokenCounts counts = count({{"a", "a", "a", "b", "b", "c", "d", "d"}});
  CHECK(Vocabulary(counts, {.min_count = 2}).tokens() == with_specials({"a", "b", "d"}));
  CHECK(Vocabulary(counts, {.max_size = 6}).tokens() == with_specials({"a", "b"}));
  CHECK(Vocabulary(counts, {.max_size = 5, .min_count = 9}).tokens() == specials);
  CHECK(Vocabulary(counts, {.max_size = 100}).size() == 8);
  CHECK_THROWS_WITH_AS(Vocabulary(counts, {.max_size = 4}),
                       "a vocabulary of at most 4 tokens has no room beside its 4 special tokens; "
                       "allow at least 5, or 0 for no limit",
                       Error);
}

TEST_CASE("encoding and decoding are inverse for known tokens") {
  const Vocabulary vocabulary(count({{"c", "c", "c", "a", "a", "t"}}));
  const TokenSequence cat = {"c", "a", "t"};
  CHECK(vocabulary.encode(cat) == Ids{4, 5, 6});
  CHECK(vocabulary.decode(vocabulary.encode(cat)) == cat);
  CHECK(vocabulary.encode({}) == Ids{});
}

TEST_CASE("an unknown token is encoded as such and reads <unk>") {
  const Vocabulary vocabulary(count({{"a"}}));
  CHECK(vocabulary.encode(TokenSequence{"a", "q"}) == Ids{4, 3});
  CHECK_FALSE(vocabulary.contains("q"));
  CHECK(vocabulary.contains("a"));
  CHECK(vocabulary.decode(Ids{4, 3}) == TokenSequence{"a", "<unk>"});
}

TEST_CASE("decoding ends at the end and skips padding and beginning") {
  const Vocabulary vocabulary(count({{"a", "a", "b"}}));
  CHECK(vocabulary.decode(Ids{1, 4, 0, 5, 2, 4, 0, 0}) == TokenSequence{"a", "b"});
  CHECK(vocabulary.decode(Ids{2}) == TokenSequence{});
}

TEST_CASE("ids outside the vocabulary are refused") {
  const Vocabulary vocabulary(count({{"a"}}));
  const char* sentence = "there is no token 5: the ids of this vocabulary are 0 to 4";
  CHECK_THROWS_WITH_AS(vocabulary.token(5), sentence, Error);
  CHECK_THROWS_WITH_AS(vocabulary.decode(Ids{4, 5}), sentence, Error);
  CHECK_THROWS_AS(vocabulary.token(-1), Error);
}

TEST_CASE("a user's text cannot spell padding or an end") {
  const Vocabulary without(count({{"a"}}));
  CHECK(without.encode(specials) == Ids{3, 3, 3, 3});

  const Vocabulary with(count({{"a", "a", "<pad>", "<eos>"}}));
  CHECK(with.encode(TokenSequence{"<pad>", "a", "<eos>"}) == Ids{6, 4, 5});
  CHECK(with.decode(Ids{6, 4, 5}) == TokenSequence{"<pad>", "a", "<eos>"});
  CHECK(Vocabulary::from_tokens(with.tokens()).id("<pad>") == 6);
}

TEST_CASE("a vocabulary is rebuilt from its tokens") {
  const Vocabulary original(count({{"c", "c", "a", "語", " ", ""}}));
  const Vocabulary loaded = Vocabulary::from_tokens(original.tokens());
  CHECK(loaded.tokens() == original.tokens());
  for (const std::string& token : original.tokens()) CHECK(loaded.id(token) == original.id(token));
}

TEST_CASE("tokens that are no vocabulary are refused") {
  CHECK_THROWS_WITH_AS(Vocabulary::from_tokens(with_specials({"a", "b", "a"})),
                       "a vocabulary holds the token \"a\" twice, as 4 and as 6", Error);
  const char* sentence =
      "a vocabulary must begin with the special tokens <pad> <bos> <eos> <unk>; these 2 tokens do "
      "not";
  CHECK_THROWS_WITH_AS(Vocabulary::from_tokens(TokenSequence{"a", "b"}), sentence, Error);
  CHECK_THROWS_AS(Vocabulary::from_tokens({}), Error);
  CHECK_THROWS_AS(Vocabulary::from_tokens(TokenSequence{"<pad>", "<eos>", "<bos>", "<unk>"}),
                  Error);
}
