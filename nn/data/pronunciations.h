#pragma once
// Spelling to sounds: a pronouncing dictionary in the format of the CMU Pronouncing Dictionary.
//
//   aachen AA K AH N
//   tomato T AH M EY T OW
//   tomato(2) T AH M AA T OW

#include <string>
#include <string_view>
#include <vector>

#include "nn/data/pairs.h"

namespace attune::data {

// Where Debian's package pocketsphinx-en-us has its dictionary of 126,000 English words.
inline constexpr const char* cmudict_path =
    "/usr/share/pocketsphinx/model/en-us/cmudict-en-us.dict";

struct Entry {
  std::string word;
  std::vector<std::string>
      pronunciations;  // each once, phonemes joined by spaces: "T AH M EY T OW"
};

// The words of a dictionary in the order of their first lines. A line is a word, white space, and
// its phonemes between white space; "word(2)" gives the word another pronunciation. The stress that
// a digit at a phoneme's end stands for is dropped. Blank lines, lines that begin with ";;;" and
// what follows a '#' between white space are comments.
//
// Throws Error("FILE:LINE: ...") for a word without phonemes and for what is not UTF-8 text,
// Error("FILE: ...") for a file that cannot be read or has no words.
std::vector<Entry> read_dictionary(const std::string& path);
// The same for text in memory, which errors call `name`.
std::vector<Entry> parse_dictionary(std::string_view text, std::string_view name);

// One pair a word, for judging: its first pronunciation is the target, the others alternatives.
std::vector<Pair> pronunciation_pairs(const std::vector<Entry>& entries);

struct PronunciationSets {
  std::vector<Pair> train;        // one pair a pronunciation
  std::vector<Pair> valid, test;  // as pronunciation_pairs()
};

// Of every twenty words the last is for `valid`, the two before it for `test`, the rest for
// `train`.
PronunciationSets split_dictionary(const std::vector<Entry>& entries);

}  // namespace attune::data
