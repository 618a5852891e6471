#pragma once
// A training as one sees it: progress, validations, sample translations; saved every so often, and
// ended by Ctrl-C.

#include <cstdint>
#include <vector>

#include "examples/seq2seq/output.h"
#include "examples/seq2seq/progress.h"
#include "examples/seq2seq/scores.h"
#include "nn/trainer.h"

namespace seq2seq {

struct SessionOptions {
  std::int64_t save_every = 200;  // steps
  std::int64_t max_length = 100;  // of a sample translation, in tokens
  Measure measure = Measure::exact;
  bool quiet = false;
};

class Session {
 public:
  // `description` is the checkpoint without parameters and state. All referred to must outlive the
  // session.
  Session(attune::nn::Trainer& trainer, const attune::nn::Translator& translator,
          attune::nn::Checkpoint description, Output& output, const SessionOptions& options)
      : trainer_(trainer),
        translator_(translator),
        description_(std::move(description)),
        output_(output),
        options_(options) {}

  // Translates these at every validation.
  void show_samples(std::vector<attune::data::Pair> samples) { samples_ = std::move(samples); }

  attune::nn::Ending run(const attune::nn::TrainingLimits& limits);

  // The checkpoint of this moment.
  attune::nn::Checkpoint checkpoint() const;
  // The signal that ended the run; 0 if none did.
  int signal() const { return signal_; }

 private:
  void show(const attune::nn::Validation& validation, Progress& progress) const;
  void save(Progress& progress);

  attune::nn::Trainer& trainer_;
  const attune::nn::Translator& translator_;
  attune::nn::Checkpoint description_;
  Output& output_;
  SessionOptions options_;
  std::vector<attune::data::Pair> samples_;
  int signal_ = 0;
};

}  // namespace seq2seq
