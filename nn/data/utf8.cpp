// A decoder of UTF-8 after table 3-7 of the Unicode standard, and all that follows from it.

#include "nn/data/utf8.h"

#include <fmt/format.h>

#include "autograd/error.h"

namespace attune::data {

namespace {

// What a leading byte says of its sequence. Restricting the second byte is what excludes overlong
// forms, surrogates and code points above U+10FFFF; later bytes are 80..BF always.
struct Lead {
  std::size_t size = 0;
  unsigned char second_low = 0x80, second_high = 0xBF;
};

Lead classify(unsigned char lead) {
  if (lead <= 0x7F) return {1};
  if (lead <= 0xC1) return {};
  if (lead <= 0xDF) return {2};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead <= 0xEF) return {3};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead <= 0xF3) return {4};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {};
}

// Calls visit(character, offset) for every character of a valid text.
template <typename Visit>
void for_each_character(std::string_view text, Visit visit) {
  require_utf8(text);
  for (std::size_t offset = 0; offset < text.size();) {
    const Character character = first_character(text.substr(offset));
    visit(character, offset);
    offset += character.size;
  }
}

}  // namespace

Character first_character(std::string_view text) {
  if (text.empty()) return {};
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const Lead lead = classify(byte(0));
  if (lead.size == 0 || text.size() < lead.size) return {};
  if (lead.size == 1) return {byte(0), 1};
  if (byte(1) < lead.second_low || byte(1) > lead.second_high) return {};
  char32_t code_point = byte(0) & (0x7Fu >> lead.size);
  for (std::size_t i = 1; i < lead.size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code_point = code_point << 6 | (byte(i) & 0x3Fu);
  }
  return {code_point, lead.size};
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  for (std::size_t offset = 0; offset < text.size();) {
    const std::size_t size = first_character(text.substr(offset)).size;
    if (size == 0) return offset;
    offset += size;
  }
  return std::nullopt;
}

void require_utf8(std::string_view text) {
  if (const auto invalid = find_invalid_utf8(text)) {
    throw Error(fmt::format("the text is not valid UTF-8 at byte {} (0x{:02X}); convert it first",
                            *invalid, static_cast<unsigned char>(text[*invalid])));
  }
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> result;
  result.reserve(text.size());
  for_each_character(text, [&](Character character, std::size_t offset) {
    result.emplace_back(text.substr(offset, character.size));
  });
  return result;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (const auto invalid = find_invalid_utf8(text)) {
    result += text.substr(0, *invalid);
    result += "\uFFFD";
    text.remove_prefix(*invalid + 1);
  }
  return result += text;
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::vector<std::string> split_at_white_space(std::string_view text) {
  std::vector<std::string> parts;
  bool inside = false;
  for_each_character(text, [&](Character character, std::size_t offset) {
    if (is_white_space(character.code_point)) {
      inside = false;
      return;
    }
    if (!inside) parts.emplace_back();
    inside = true;
    parts.back() += text.substr(offset, character.size);
  });
  return parts;
}

}  // namespace attune::data
