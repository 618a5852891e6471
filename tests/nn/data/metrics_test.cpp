// The metrics, against values worked out by hand.

#include "nn/data/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "autograd/error.h"
#include "autograd/random.h"
#include "nn/data/tokenizer.h"

using namespace attune::data;
using attune::Error;
using attune::Generator;
using doctest::Approx;

namespace {

std::vector<TokenSequence> words(const std::vector<std::string>& texts) {
  std::vector<TokenSequence> corpus;
  for (const auto& text : texts) corpus.push_back(tokenize(text, Tokens::word));
  return corpus;
}

std::size_t letters_apart(const std::string& a, const std::string& b) {
  return edit_distance(tokenize(a, Tokens::character), tokenize(b, Tokens::character));
}

// The recursive definition, without memory.
std::size_t slow_edit_distance(std::span<const std::string> a, std::span<const std::string> b) {
  if (a.empty() || b.empty()) return a.size() + b.size();
  const std::size_t both =
      slow_edit_distance(a.subspan(1), b.subspan(1)) + (a.front() != b.front());
  return std::min(
      {both, slow_edit_distance(a.subspan(1), b) + 1, slow_edit_distance(a, b.subspan(1)) + 1});
}

TokenSequence random_letters(Generator& generator) {
  TokenSequence sequence;
  for (std::uint64_t left = generator.below(6); left > 0; --left) {
    sequence.emplace_back(1, static_cast<char>('a' + generator.below(3)));
  }
  return sequence;
}

}  // namespace

TEST_CASE("exact match counts sequences that are equal in every token") {
  CHECK(exact_match(words({"a b", "c", "d e"}), words({"a b", "c c", "e d"})) == Approx(1.0 / 3));
  CHECK(exact_match(words({"a", ""}), words({"a", ""})) == 1);
  CHECK(exact_match(words({"a b"}), words({"a"})) == 0);
}

TEST_CASE("token accuracy compares position by position over the longer sequence") {
  CHECK(token_accuracy(words({"a b c"}), words({"a x c"})) == Approx(2.0 / 3));
  CHECK(token_accuracy(words({"a b"}), words({"a b c d"})) == Approx(0.5));
  CHECK(token_accuracy(words({"a b c d"}), words({"a b"})) == Approx(0.5));
  CHECK(token_accuracy(words({"x a b"}), words({"a b"})) == 0);
  // By tokens, not by sequences: 3 of 4 positions, not the mean of 1 and 1/2.
  CHECK(token_accuracy(words({"a b", "c d"}), words({"a b", "c x"})) == Approx(0.75));
  CHECK(token_accuracy(words({""}), words({""})) == 1);
}

TEST_CASE("edit distance is that of Levenshtein") {
  CHECK(letters_apart("", "") == 0);
  CHECK(letters_apart("abc", "abc") == 0);
  CHECK(letters_apart("", "abc") == 3);
  CHECK(letters_apart("abc", "") == 3);
  CHECK(letters_apart("kitten", "sitting") == 3);
  CHECK(letters_apart("sunday", "saturday") == 3);
  CHECK(letters_apart("ab", "ba") == 2);
  CHECK(letters_apart("é", "e") == 1);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Generator generator(seed);
    const TokenSequence a = random_letters(generator), b = random_letters(generator);
    CHECK(edit_distance(a, b) == slow_edit_distance(a, b));
  }
}

TEST_CASE("token error rate divides the edits by the reference tokens") {
  CHECK(token_error_rate(words({"a b c"}), words({"a b c"})) == 0);
  CHECK(token_error_rate(words({"x a b", "c"}), words({"a b", "c d"})) == Approx(2.0 / 4));
  CHECK(token_error_rate(words({"a b c"}), words({"x"})) == 3);
  CHECK_THROWS_AS(token_error_rate(words({"a"}), words({""})), Error);
}

TEST_CASE("BLEU of equal corpora is 1") {
  const auto corpus = words({"the cat sat on the mat", "a dog"});
  const Bleu result = bleu(corpus, corpus);
  CHECK(result.score == Approx(1));
  CHECK(result.brevity_penalty == 1);
  for (const double precision : result.precisions) CHECK(precision == 1);
}

TEST_CASE("BLEU clips the n-grams that a hypothesis repeats") {
  // The example of the paper's section 2.1, against its first reference: "the" counts twice.
  const Bleu result =
      bleu(words({"the the the the the the the"}), words({"the cat is on the mat"}));
  CHECK(result.precisions[0] == Approx(2.0 / 7));
  CHECK(result.precisions[1] == 0);
  CHECK(result.score == 0);
}

TEST_CASE("BLEU is the geometric mean of the precisions, worked out by hand") {
  // 6 tokens against 6: 5 of 6 words, 3 of 5 pairs ("the cat", "on the", "the mat"), 1 of 4 triples
  // ("on the mat"), 0 of 3 quadruples.
  const auto reference = words({"the cat sat on the mat"});
  const Bleu zero = bleu(words({"the cat is on the mat"}), reference);
  CHECK(zero.precisions[0] == Approx(5.0 / 6));
  CHECK(zero.precisions[1] == Approx(3.0 / 5));
  CHECK(zero.precisions[2] == Approx(1.0 / 4));
  CHECK(zero.precisions[3] == 0);
  CHECK(zero.score == 0);

  // 7 tokens against 6: 6 of 7, 5 of 6, 4 of 5, 3 of 4; the product is 3/7.
  const Bleu longer = bleu(words({"the cat sat on the mat today"}), reference);
  CHECK(longer.brevity_penalty == 1);
  CHECK(longer.score == Approx(std::pow(3.0 / 7, 0.25)));

  // 5 tokens against 6: all n-grams match, and brevity costs exp(1 - 6/5).
  const Bleu shorter = bleu(words({"the cat sat on the"}), reference);
  CHECK(shorter.precisions[3] == 1);
  CHECK(shorter.brevity_penalty == Approx(std::exp(-0.2)));
  CHECK(shorter.score == Approx(std::exp(-0.2)));
}

TEST_CASE("BLEU sums over the corpus before it divides") {
  // Words 5 + 2 of 5 + 4, pairs 4 + 0 of 4 + 3, triples 3 of 3 + 2, quadruples 2 of 2 + 1.
  const Bleu result = bleu(words({"a b c d e", "f x h y"}), words({"a b c d e", "f g h i"}));
  CHECK(result.precisions[0] == Approx(7.0 / 9));
  CHECK(result.precisions[1] == Approx(4.0 / 7));
  CHECK(result.precisions[2] == Approx(3.0 / 5));
  CHECK(result.precisions[3] == Approx(2.0 / 3));
  CHECK(result.score == Approx(std::pow(7.0 / 9 * 4.0 / 7 * 3.0 / 5 * 2.0 / 3, 0.25)));
  // A long hypothesis makes up for a short one: 9 tokens against 9.
  CHECK(bleu(words({"a b c d e f", "f g h"}), words({"a b c d e", "f g h i"})).brevity_penalty ==
        1);
}

TEST_CASE("BLEU of hypotheses too short for an n-gram is 0") {
  CHECK(bleu(words({"a b c"}), words({"a b c"})).score == 0);
  const Bleu empty = bleu(words({""}), words({"a b c d"}));
  CHECK(empty.score == 0);
  CHECK(empty.brevity_penalty == 0);
}

TEST_CASE("corpora of different size, or of none, are refused") {
  const std::vector<TokenSequence> none, one = words({"a"}), two = words({"a", "b"});
  const char* unequal = "cannot judge 1 hypotheses by 2 references; give one for each";
  const char* empty = "cannot judge no hypotheses; give at least one";
  CHECK_THROWS_WITH_AS(exact_match(one, two), unequal, Error);
  CHECK_THROWS_WITH_AS(token_accuracy(one, two), unequal, Error);
  CHECK_THROWS_WITH_AS(token_error_rate(one, two), unequal, Error);
  CHECK_THROWS_WITH_AS(bleu(one, two), unequal, Error);
  CHECK_THROWS_WITH_AS(exact_match(none, none), empty, Error);
  CHECK_THROWS_WITH_AS(bleu(none, none), empty, Error);
}

TEST_CASE("the closest reference has the fewest edits, and is the first of those") {
  const auto references = words({"a b c d", "a x", "a y", "a"});
  CHECK(closest_reference(tokenize("a b c", Tokens::word), references) == 0);
  CHECK(closest_reference(tokenize("a z", Tokens::word), references) == 1);
  CHECK(closest_reference(tokenize("", Tokens::word), references) == 3);
  CHECK_THROWS_AS(closest_reference(tokenize("a", Tokens::word), {}), Error);
}
