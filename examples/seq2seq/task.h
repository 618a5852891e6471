#pragma once
// What there is to learn: generated dates, or a user's own pairs.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "examples/seq2seq/settings.h"
#include "nn/data/pairs.h"
#include "nn/data/tokenizer.h"
#include "nn/data/vocabulary.h"

namespace seq2seq {

// How many dates the model is tested with when training ends.
inline constexpr std::size_t test_dates = 2000;

struct Task {
  std::vector<attune::data::Pair> train, valid;
  std::vector<attune::data::Pair> test;  // dates only
  attune::data::Tokens tokens = attune::data::Tokens::character;
  attune::data::Vocabulary source, target;
  std::int64_t longest_source = 0, longest_target = 0;  // in tokens
  std::size_t left_out = 0;                             // pairs that are too long
};

// Reads or generates the pairs and counts their tokens. Error, beginning with the file, for one
// that holds no pairs or none that are short enough.
Task load_task(const Settings& settings);

}  // namespace seq2seq
