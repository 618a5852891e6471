#pragma once
// `seq2seq train`: learns dates, or pairs of the user's own, and leaves a checkpoint.

#include <cstdint>
#include <string>

#include "examples/seq2seq/settings.h"

namespace seq2seq {

struct TrainOptions {
  Settings settings;
  // What a checkpoint does not remember.
  std::string out;  // the checkpoint to write; empty for one named after the data
  bool resume = false;
  std::string resume_file;  // empty: the one that would be written
  std::string run;  // the folder to record in; "none" for none, empty for one beside the checkpoint
  std::int64_t save_every = 200;
  std::int64_t threads = 0;  // 0: as many as there are cores
  bool quiet = false;
  std::string program;  // what the user called
};

// The exit status: 0, or 128 and its number if a signal ended the training.
int train(const TrainOptions& options);

}  // namespace seq2seq
