// The columns that characters of many scripts take in a terminal.

#include "nn/data/display_width.h"

#include <doctest/doctest.h>

using attune::data::display_width;

TEST_CASE("letters of most scripts take one column") {
  CHECK(display_width("") == 0);
  CHECK(display_width("attune 3.5") == 10);
  CHECK(display_width("éÅßñ") == 4);
  CHECK(display_width("Привет") == 6);
  CHECK(display_width("שלום") == 4);
  CHECK(display_width("→▁█") == 3);
}

TEST_CASE("Chinese, Japanese, Korean, full-width forms and emoji take two") {
  CHECK(display_width("日本語") == 6);
  CHECK(display_width("ひらカナ") == 8);
  CHECK(display_width("한국어") == 6);
  CHECK(display_width("ＡＢ，") == 6);
  CHECK(display_width("\u3000") == 2);
  CHECK(display_width("😀") == 2);
  CHECK(display_width("𠮷") == 2);
  CHECK(display_width("ｱ") == 1);  // half-width katakana
}

TEST_CASE("combining marks, joiners and control characters take none") {
  CHECK(display_width("e\u0301") == 1);
  CHECK(display_width("x\u0302\u0323") == 1);
  CHECK(display_width("क्") == 1);
  CHECK(display_width("ที่") == 1);
  CHECK(display_width("a\u200Bb\uFEFF") == 2);
  CHECK(display_width("\u1112\u1161\u11AB") == 2);  // Hangul written as three letters
  CHECK(display_width("\t\n\x7F\u0085") == 0);
  CHECK(display_width("\U000E0100") == 0);
}

TEST_CASE("the ends of ranges are on the right side") {
  CHECK(display_width(U'\u02FF') == 1);
  CHECK(display_width(U'\u0300') == 0);
  CHECK(display_width(U'\u036F') == 0);
  CHECK(display_width(U'\u0370') == 1);
  CHECK(display_width(U'\u10FF') == 1);
  CHECK(display_width(U'\u1100') == 2);
  CHECK(display_width(U'\u115F') == 2);
  CHECK(display_width(char32_t{0x10FFFF}) == 1);
}

TEST_CASE("a byte that is no valid UTF-8 takes the column of its replacement") {
  CHECK(display_width("a\xFF\xC3z") == 4);
}
