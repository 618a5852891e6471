#pragma once
// `seq2seq inspect`: what is in a checkpoint.

#include <string>

#include "examples/seq2seq/decoding.h"
#include "examples/seq2seq/graph.h"

namespace seq2seq {

struct InspectOptions {
  std::string file = default_model;
  bool vocabulary = false;  // all of it
  GraphOptions graph;       // what to write instead, if it names a file
};

void inspect(const InspectOptions& options);

}  // namespace seq2seq
