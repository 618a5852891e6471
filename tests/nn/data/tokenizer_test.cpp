// Texts to tokens and back, in each of the three ways.

#include "nn/data/tokenizer.h"

#include <doctest/doctest.h>

#include <set>

#include "autograd/error.h"
#include "autograd/random.h"
#include "nn/data/utf8.h"

using namespace attune::data;
using attune::Error;
using attune::Generator;

namespace {

constexpr Tokens all_tokens[] = {Tokens::character, Tokens::word, Tokens::byte};

// Characters of one to four bytes, and white space of several kinds.
std::string random_text(Generator& generator) {
  const std::vector<std::string> pieces = {"a",      "B", "<0x41>", "é",  "語",     "😀",
                                           "\u0301", " ", "  ",     "\t", "\u00A0", "\u3000"};
  std::string text;
  for (std::uint64_t left = generator.below(20); left > 0; --left) {
    text += pieces[generator.below(pieces.size())];
  }
  return text;
}

}  // namespace

TEST_CASE("kinds of tokens are chosen by name") {
  CHECK(tokens_named("char") == Tokens::character);
  CHECK(tokens_named("word") == Tokens::word);
  CHECK(tokens_named("byte") == Tokens::byte);
  for (const Tokens kind : all_tokens) CHECK(tokens_named(name(kind)) == kind);
  CHECK_THROWS_WITH_AS(tokens_named("words"),
                       "\"words\" is no kind of tokens; the kinds are char, word, byte", Error);
  CHECK_THROWS_AS(tokens_named(""), Error);
}

TEST_CASE("characters keep everything") {
  const TokenSequence tokens = {"h", "é", " ", "語", "\n"};
  CHECK(tokenize("hé 語\n", Tokens::character) == tokens);
  CHECK(detokenize(tokens, Tokens::character) == "hé 語\n");
}

TEST_CASE("words are what stands between white space, punctuation included") {
  const TokenSequence tokens = {"I", "am", "cold."};
  CHECK(tokenize(" I  am\tcold.\u3000", Tokens::word) == tokens);
  CHECK(detokenize(tokens, Tokens::word) == "I am cold.");
  CHECK(tokenize(" \t ", Tokens::word).empty());
  CHECK(detokenize({}, Tokens::word) == "");
}

TEST_CASE("bytes are printable ASCII or numbers") {
  const TokenSequence tokens = {"h", "<0xC3>", "<0xA9>", " ", "<0x0A>"};
  CHECK(tokenize("hé \n", Tokens::byte) == tokens);
  CHECK(detokenize(tokens, Tokens::byte) == "hé \n");
  CHECK(tokenize("~\x7F", Tokens::byte) == TokenSequence{"~", "<0x7F>"});
}

TEST_CASE("the byte alphabet knows every byte once") {
  const TokenSequence alphabet = byte_alphabet();
  CHECK(alphabet.size() == 256);
  CHECK(std::set<std::string>(alphabet.begin(), alphabet.end()).size() == 256);
  TokenCounts counts;
  counts.add(alphabet);
  const Vocabulary vocabulary(counts);
  for (const auto& token : tokenize("\t~é語😀", Tokens::byte)) CHECK(vocabulary.contains(token));
}

TEST_CASE("bytes that a model put together wrongly still give valid text") {
  CHECK(detokenize(TokenSequence{"a", "<0xC3>", "b"}, Tokens::byte) == "a\uFFFDb");
  CHECK(detokenize(TokenSequence{"<0xA9>", "<unk>", "<0xC>", "<0xZZ>"}, Tokens::byte) ==
        "\uFFFD<unk><0xC><0xZZ>");
}

TEST_CASE("invalid text is refused with its offset, whatever the kind") {
  for (const Tokens kind : all_tokens) {
    CAPTURE(name(kind));
    CHECK_THROWS_WITH_AS(tokenize("ab\xFF", kind),
                         "the text is not valid UTF-8 at byte 2 (0xFF); convert it first", Error);
  }
}

TEST_CASE("any text survives the way there and back") {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    Generator generator(seed);
    const std::string text = random_text(generator);
    for (const Tokens kind : {Tokens::character, Tokens::byte}) {
      CHECK(detokenize(tokenize(text, kind), kind) == text);
    }
    const TokenSequence words = tokenize(text, Tokens::word);
    const std::string normalised = detokenize(words, Tokens::word);
    CHECK(tokenize(normalised, Tokens::word) == words);
    std::string visible, visible_after;
    for (const auto& part : split_at_white_space(text)) visible += part;
    for (const auto& word : words) visible_after += word;
    CHECK(visible == visible_after);
  }
}
