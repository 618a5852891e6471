#pragma once
// How a text becomes tokens, and tokens a text again.

#include <span>
#include <string>
#include <string_view>

#include "nn/data/vocabulary.h"

namespace attune::data {

enum class Tokens {
  // Every character, white space included, is a token: detokenize gives the text back exactly.
  character,
  // The parts between white space (any that Unicode knows) are the tokens, as in the token files of
  // machine translation: "I am cold." is three tokens, "I am cold ." four. Nothing is split or
  // folded behind the user's back, so detokenize gives the text back with single spaces.
  word,
  // Every byte of the UTF-8 is a token, so that no text holds an unknown one once a vocabulary has
  // byte_alphabet(). Printable ASCII stands for itself, any other byte for its number: "<0xC3>".
  byte,
};

// What the two sides of a pair are cut into: spelling may be characters, and sounds words.
struct TokenKinds {
  Tokens source = Tokens::character, target = Tokens::character;

  TokenKinds() = default;
  TokenKinds(Tokens both) : source(both), target(both) {}
  TokenKinds(Tokens of_source, Tokens of_target) : source(of_source), target(of_target) {}
  friend bool operator==(const TokenKinds&, const TokenKinds&) = default;
};

// "char", "word" or "byte".
std::string_view name(Tokens tokens);
// The inverse; throws Error, listing the valid names, for any other.
Tokens tokens_named(std::string_view name);

// Throws Error, naming the byte offset, if `text` is not valid UTF-8.
TokenSequence tokenize(std::string_view text, Tokens tokens);
// Tokens that tokenize cannot make, such as "<unk>", are written as they stand. Always valid UTF-8:
// bytes that a model put together wrongly become U+FFFD.
std::string detokenize(std::span<const std::string> sequence, Tokens tokens);

// The 256 tokens of Tokens::byte.
TokenSequence byte_alphabet();

}  // namespace attune::data
