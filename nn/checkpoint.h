#pragma once
// A model on disk: one safetensors file with everything that is needed to use the model, and, while
// it is being trained, everything that is needed to go on as if nothing had happened.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nn/data/tokenizer.h"
#include "nn/seq2seq.h"

namespace attune::nn {

// How far training has come. With it a resumed run ends in the very bits of an uninterrupted one.
struct TrainingState {
  std::int64_t step = 0;                      // optimiser steps taken
  std::int64_t epoch = 0;                     // whole passes over the data
  std::int64_t batch = 0;                     // batches of the current epoch already used
  double seconds = 0;                         // spent in training
  NamedTensors parameters;                    // the newest; empty where they are the checkpoint's
  NamedTensors optimiser;                     // the optimiser's own state
  NamedTensors average;                       // of the parameters; empty where none is kept
  std::map<std::string, std::string> values;  // the trainer's: schedule, random state, best so far
};

struct Checkpoint {
  Seq2SeqOptions options;
  data::TokenKinds tokens;
  std::vector<std::string> source_vocabulary;
  std::vector<std::string> target_vocabulary;
  std::int64_t longest_source = 0;  // in tokens, of the training data
  std::int64_t longest_target = 0;
  NamedTensors parameters;  // the best so far
  // How it was trained, for the reader and for --resume: the options of `seq2seq train` by their
  // long names. Where "data" is not among them, the task was data::generate_dates(seed, ..).
  std::map<std::string, std::string> task;
  std::optional<TrainingState> training;
};

// Replaces the file whole or not at all: the model's parameters under their own names, those of
// `training` under "training.parameters.", "training.optimiser." and "training.average.", all else
// as metadata. Error when it cannot be written.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);
// Error, beginning with the path, when the file cannot be read, is damaged, or is no checkpoint of
// attune.
Checkpoint load_checkpoint(const std::string& path);

}  // namespace attune::nn
