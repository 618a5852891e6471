// The three ways of cutting a text, and the spelling of bytes as tokens.

#include "nn/data/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "autograd/error.h"
#include "nn/data/utf8.h"

namespace attune::data {

namespace {

// In the order of the enumerators.
constexpr std::string_view names[] = {"char", "word", "byte"};

std::string spell_byte(unsigned char byte) {
  const bool printable = byte >= 0x20 && byte <= 0x7E;
  return printable ? std::string(1, static_cast<char>(byte)) : fmt::format("<0x{:02X}>", byte);
}

// The byte that `token` spells, if it spells one.
std::optional<char> read_byte(std::string_view token) {
  if (token.size() == 1) return token.front();
  if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return std::nullopt;
  unsigned char byte = 0;
  const char* last = token.data() + 5;
  const auto [end, error] = std::from_chars(token.data() + 3, last, byte, 16);
  if (error != std::errc() || end != last) return std::nullopt;
  return static_cast<char>(byte);
}

TokenSequence bytes(std::string_view text) {
  require_utf8(text);
  TokenSequence sequence;
  for (const char byte : text) sequence.push_back(spell_byte(static_cast<unsigned char>(byte)));
  return sequence;
}

std::string join_bytes(std::span<const std::string> sequence) {
  std::string text;
  for (const std::string& token : sequence) {
    if (const auto byte = read_byte(token)) {
      text += *byte;
    } else {
      text += token;
    }
  }
  return replace_invalid_utf8(text);
}

}  // namespace

std::string_view name(Tokens tokens) {
  return names[static_cast<std::size_t>(tokens)];
}

Tokens tokens_named(std::string_view wanted) {
  const auto found = std::find(std::begin(names), std::end(names), wanted);
  if (found == std::end(names)) {
    throw Error(fmt::format("\"{}\" is no kind of tokens; the kinds are {}", wanted,
                            fmt::join(names, ", ")));
  }
  return static_cast<Tokens>(found - std::begin(names));
}

TokenSequence tokenize(std::string_view text, Tokens tokens) {
  switch (tokens) {
    case Tokens::character:
      return characters(text);
    case Tokens::word:
      return split_at_white_space(text);
    case Tokens::byte:
      return bytes(text);
  }
  return {};
}

std::string detokenize(std::span<const std::string> sequence, Tokens tokens) {
  switch (tokens) {
    case Tokens::character:
      return fmt::format("{}", fmt::join(sequence, ""));
    case Tokens::word:
      return fmt::format("{}", fmt::join(sequence, " "));
    case Tokens::byte:
      return join_bytes(sequence);
  }
  return {};
}

TokenSequence byte_alphabet() {
  TokenSequence alphabet;
  for (int byte = 0; byte < 256; ++byte) {
    alphabet.push_back(spell_byte(static_cast<unsigned char>(byte)));
  }
  return alphabet;
}

}  // namespace attune::data
