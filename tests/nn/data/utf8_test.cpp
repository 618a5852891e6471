// UTF-8: which bytes are valid, where invalid ones stand, and how text falls into characters.

#include "nn/data/utf8.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "autograd/error.h"
#include "autograd/random.h"

using attune::Error;
using attune::Generator;
namespace data = attune::data;

namespace {

// The definition of UTF-8, read the other way round from the decoder under test.
std::string encode(char32_t c) {
  const auto byte = [](char32_t value) { return static_cast<char>(value); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F))};
  if (c < 0x10000) {
    return {byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F))};
  }
  return {byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)),
          byte(0x80 | (c & 0x3F))};
}

std::string random_bytes(Generator& generator, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(generator.below(256));
  return bytes;
}

}  // namespace

TEST_CASE("every code point but the surrogates is decoded to itself") {
  bool all = true;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    const std::string bytes = encode(c);
    const data::Character character = data::first_character(bytes + "x");
    const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
    all = all && (surrogate ? character.size == 0
                            : character.size == bytes.size() && character.code_point == c);
  }
  CHECK(all);
}

TEST_CASE("invalid sequences are found at the byte where they begin") {
  CHECK_FALSE(data::find_invalid_utf8("").has_value());
  CHECK_FALSE(data::find_invalid_utf8("aé語😀").has_value());
  const std::vector<std::string> invalid = {
      "\x80",              // a continuation alone
      "\xC3",              // cut short
      "\xE8\xAA",          // cut short
      "\xF0\x9F\x98",      // cut short
      "\xC0\xAF",          // overlong
      "\xC1\xBF",          // overlong
      "\xE0\x9F\xBF",      // overlong
      "\xF0\x8F\xBF\xBF",  // overlong
      "\xED\xA0\x80",      // a surrogate
      "\xF4\x90\x80\x80",  // above U+10FFFF
      "\xF5\x80\x80\x80",
      "\xFE",
      "\xFF",
      "\xC3(",          // a lead without its continuation
      "\xE8\xAA(",      // the same, later
      "\xF0\x9F\x98(",  // the same, later
  };
  for (const std::string& bytes : invalid) {
    CAPTURE(bytes.size());
    CAPTURE(static_cast<int>(static_cast<unsigned char>(bytes[0])));
    CHECK(data::find_invalid_utf8(bytes) == 0u);
    CHECK(data::find_invalid_utf8("é" + bytes) == 2u);
    CHECK(data::find_invalid_utf8("語" + bytes + "a") == 3u);
  }
}

TEST_CASE("what lies behind the end of a text is not read") {
  const std::string_view text = "é語";
  CHECK(data::find_invalid_utf8(text.substr(0, 4)) == 2u);
  CHECK(data::find_invalid_utf8(text.substr(0, 1)) == 0u);
  CHECK(data::first_character(text.substr(2, 2)).size == 0);
  CHECK(data::first_character({}).size == 0);
}

TEST_CASE("text falls into characters, and combining marks stand alone") {
  CHECK(data::characters("") == std::vector<std::string>{});
  CHECK(data::characters("aé語😀") == std::vector<std::string>{"a", "é", "語", "😀"});
  CHECK(data::characters("e\u0301 ") == std::vector<std::string>{"e", "\u0301", " "});
  CHECK(data::characters(std::string("\0a", 2)).size() == 2);
}

TEST_CASE("invalid text is refused with the offset and value of the byte") {
  const char* sentence = "the text is not valid UTF-8 at byte 3 (0xFF); convert it first";
  CHECK_THROWS_WITH_AS(data::characters("aé\xFFz"), sentence, Error);
  CHECK_THROWS_WITH_AS(data::split_at_white_space("aé\xFFz"), sentence, Error);
  CHECK_THROWS_WITH_AS(data::require_utf8("aé\xFFz"), sentence, Error);
}

TEST_CASE("invalid bytes are replaced one by one, valid text stays") {
  CHECK(data::replace_invalid_utf8("") == "");
  CHECK(data::replace_invalid_utf8("aé") == "aé");
  CHECK(data::replace_invalid_utf8("a\xFF\xC3") == "a\uFFFD\uFFFD");
  CHECK(data::replace_invalid_utf8("\xE8\xAAz") == "\uFFFD\uFFFDz");
}

TEST_CASE("white space is what Unicode says it is") {
  std::vector<char32_t> found;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (data::is_white_space(c)) found.push_back(c);
  }
  const std::vector<char32_t> expected = {0x09,   0x0A,   0x0B,   0x0C,   0x0D,   0x20,   0x85,
                                          0xA0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004,
                                          0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200A, 0x2028,
                                          0x2029, 0x202F, 0x205F, 0x3000};
  CHECK(found == expected);
}

TEST_CASE("parts between white space are never empty") {
  using Parts = std::vector<std::string>;
  CHECK(data::split_at_white_space("") == Parts{});
  CHECK(data::split_at_white_space(" \t\u3000") == Parts{});
  CHECK(data::split_at_white_space("  ich  bin\u00A0da. ") == Parts{"ich", "bin", "da."});
  CHECK(data::split_at_white_space("日本\u3000語") == Parts{"日本", "語"});
}

TEST_CASE("random bytes are cut without loss, or refused where they are invalid") {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    Generator generator(seed);
    const std::string bytes = random_bytes(generator, generator.below(12));
    const auto invalid = data::find_invalid_utf8(bytes);
    const std::string valid_part = bytes.substr(0, invalid.value_or(bytes.size()));
    std::string joined;
    for (const std::string& character : data::characters(valid_part)) joined += character;
    CHECK(joined == valid_part);
    if (invalid) {
      CHECK(data::first_character(std::string_view(bytes).substr(*invalid)).size == 0);
      CHECK_THROWS_AS(data::characters(bytes), Error);
    }
    CHECK_FALSE(data::find_invalid_utf8(data::replace_invalid_utf8(bytes)).has_value());
  }
}
