// A pronouncing dictionary: what its lines mean, what is wrong with them, and how it is split.

#include "nn/data/pronunciations.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "autograd/error.h"

using namespace attune::data;
using attune::Error;

namespace {

std::vector<Entry> parse(std::string_view text) {
  return parse_dictionary(text, "words.dict");
}

void refused(std::string_view text, const char* sentence) {
  CHECK_THROWS_WITH_AS(parse(text), doctest::Contains(sentence), Error);
}

// Words "0", "1" .. with a pronunciation each, and another for every third.
std::vector<Entry> numbered(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += fmt::format("{} {}\n", i, static_cast<char>('A' + i % 7));
    if (i % 3 == 0) text += fmt::format("{}(2) X Y\n", i);
  }
  return parse(text);
}

}  // namespace

TEST_CASE("words have one pronunciation or more, without stress") {
  const std::vector<Entry> entries = parse(
      "tomato T AH0 M EY1 T OW2\r\ntomato(2)  T AH M AA T OW\nzoo Z UW1\n\ntomato(3) T AH0 M "
      "EY2 T OW0");
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].word == "tomato");
  CHECK(entries[0].pronunciations == std::vector<std::string>{"T AH M EY T OW", "T AH M AA T OW"});
  CHECK(entries[1].word == "zoo");
  CHECK(entries[1].pronunciations == std::vector<std::string>{"Z UW"});
}

TEST_CASE("parentheses are a number only where they hold one") {
  const std::vector<Entry> entries = parse("a(b) EY\n(2) T UW\na() EY\nx(12) EH K S\n");
  REQUIRE(entries.size() == 4);
  CHECK(entries[0].word == "a(b)");
  CHECK(entries[1].word == "(2)");
  CHECK(entries[2].word == "a()");
  CHECK(entries[3].word == "x");
}

TEST_CASE("comments are skipped") {
  const std::vector<Entry> entries = parse(";;; # CMUdict\na EY # the letter\n#5 F AY V\n");
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].pronunciations == std::vector<std::string>{"EY"});
  CHECK(entries[1].word == "#5");
}

TEST_CASE("what is wrong is named by line") {
  refused("a EY\nabbot\n", "words.dict:2: \"abbot\" has no phonemes");
  refused("a EY\nabbot # AE B AH T\n", "words.dict:2: \"abbot\" has no phonemes");
  refused("a EY\ncaf\xE9 K AE F EY\n", "words.dict:2: byte 0xE9 at column 4 is not valid UTF-8");
  refused("", "words.dict: has no words");
  refused(";;; nothing\n", "words.dict: has no words");
  CHECK_THROWS_WITH_AS(read_dictionary("/"), doctest::Contains("name a file of pronunciations"),
                       Error);
}

TEST_CASE("the word's place decides on its side") {
  const std::vector<Entry> entries = numbered(60);
  const PronunciationSets sets = split_dictionary(entries);
  REQUIRE(sets.valid.size() == 3);
  CHECK(sets.valid[0].source == "19");
  CHECK(sets.valid[1].source == "39");
  CHECK(sets.valid[1].target == "E");
  CHECK(sets.valid[1].alternatives == std::vector<std::string>{"X Y"});
  REQUIRE(sets.test.size() == 6);
  CHECK(sets.test[0].source == "17");
  CHECK(sets.test[1].source == "18");
  CHECK(sets.test[2].source == "37");
  CHECK(sets.train.size() == 51 + 17);  // a pair for every pronunciation
  CHECK(sets.train[0] == Pair{"0", "A"});
  CHECK(sets.train[1] == Pair{"0", "X Y"});
  CHECK(pronunciation_pairs(entries).size() == 60);
}
