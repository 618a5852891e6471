#pragma once
// `seq2seq evaluate`: how well a model translates pairs it has not seen.

#include <cstdint>
#include <string>

#include "examples/seq2seq/decoding.h"

namespace seq2seq {

struct EvaluateOptions {
  Decoding decoding;
  std::string file;           // pairs, or a dictionary; empty for what training kept apart
  std::int64_t mistakes = 0;  // how many to show
};

void evaluate(const EvaluateOptions& options);

}  // namespace seq2seq
