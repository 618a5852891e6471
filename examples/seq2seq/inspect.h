#pragma once
// `seq2seq inspect`: what is in a checkpoint.

#include <string>

#include "examples/seq2seq/decoding.h"

namespace seq2seq {

struct InspectOptions {
  std::string file = default_model;
  bool vocabulary = false;  // all of it
};

void inspect(const InspectOptions& options);

}  // namespace seq2seq
