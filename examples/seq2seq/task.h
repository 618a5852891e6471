#pragma once
// What there is to learn: generated dates, pronunciation, SCAN, or a user's own pairs.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "examples/seq2seq/scores.h"
#include "examples/seq2seq/settings.h"
#include "nn/data/pairs.h"
#include "nn/data/tokenizer.h"
#include "nn/data/vocabulary.h"

namespace seq2seq {

struct Task {
  std::vector<attune::data::Pair> train, valid;
  std::vector<attune::data::Pair> test;  // none of a user's own
  attune::data::TokenKinds tokens;
  Measure measure = Measure::exact;
  attune::data::Vocabulary source, target;
  std::int64_t longest_source = 0, longest_target = 0;  // in tokens
  std::size_t left_out = 0;                             // pairs that are too long
};

// Reads or generates the pairs and counts their tokens. Error, beginning with the file, for one
// that holds no pairs or none that are short enough.
Task load_task(const Settings& settings);

// The pairs that the training of a checkpoint kept for its test, read or generated again:
// `settings` are those it remembers. Error, beginning with `model`, where there are none.
std::vector<attune::data::Pair> test_pairs(const std::map<std::string, std::string>& settings,
                                           const std::string& model);
// What the user gave to measure a model of that task with.
std::vector<attune::data::Pair> read_test(const std::string& file, const std::string& task);

}  // namespace seq2seq
