#pragma once
// Text is UTF-8 (RFC 3629): how it is checked and cut into characters. A character is one Unicode
// code point; an accent that is written as a combining mark is a character of its own.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attune::data {

// One character at the front of a text.
struct Character {
  char32_t code_point = 0;
  std::size_t size = 0;  // bytes; 0 where the text is empty or its first bytes are no valid UTF-8
};

// The first character of `text`. Overlong forms, surrogates and code points above U+10FFFF are
// invalid, as is a sequence that the end of the text cuts short.
Character first_character(std::string_view text);

// The offset in bytes of the first invalid sequence; nothing if `text` is valid.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// Throws Error, naming the byte offset, unless `text` is valid.
void require_utf8(std::string_view text);

// The characters of `text`, each as its own bytes. Throws Error, naming the byte offset, where the
// text is invalid.
std::vector<std::string> characters(std::string_view text);

// `text` with U+FFFD in place of every byte that belongs to no valid sequence.
std::string replace_invalid_utf8(std::string_view text);

// Whether the Unicode property White_Space holds.
bool is_white_space(char32_t code_point);

// The parts of `text` between runs of white space, none of them empty. Throws Error where the text
// is invalid.
std::vector<std::string> split_at_white_space(std::string_view text);

}  // namespace attune::data
