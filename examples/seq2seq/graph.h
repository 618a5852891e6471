#pragma once
// `seq2seq inspect --graph`: the graph of one training step, as a page.

#include <string>

#include "nn/checkpoint.h"

namespace seq2seq {

struct GraphOptions {
  std::string file;       // to write; .txt and .dot make text and DOT
  std::string text;       // the sentence; where it is empty, the first pair of the task's test
  std::string answer;     // its translation; the model's own where it is empty
  bool unrolled = false;  // a step at a time even where a fused op computes all at once
  bool check = false;     // the derivative of every node
};

// One training step of the checkpoint, which was read from `path`, on one sentence: explained, and
// written. Changes no parameter.
void write_graph(const attune::nn::Checkpoint& checkpoint, const std::string& path,
                 const GraphOptions& options);

}  // namespace seq2seq
