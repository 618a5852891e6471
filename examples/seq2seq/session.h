#pragma once
// A training as one sees it: progress, validations, sample translations; saved every so often, and
// ended by Ctrl-C.

#include <cstdint>
#include <vector>

#include "examples/seq2seq/output.h"
#include "examples/seq2seq/progress.h"
#include "examples/seq2seq/run_folder.h"
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
          attune::nn::Checkpoint description, Output& output, RunFolder& folder,
          const SessionOptions& options)
      : trainer_(trainer),
        translator_(translator),
        description_(std::move(description)),
        output_(output),
        folder_(folder),
        options_(options) {}

  // Translates these at every validation.
  void show_samples(std::vector<attune::data::Pair> pairs) { pairs_ = std::move(pairs); }

  attune::nn::Ending run(const attune::nn::TrainingLimits& limits);

  // The last word of the report: what became of the training.
  void conclude(std::vector<std::string> remarks);

  // The checkpoint of this moment.
  attune::nn::Checkpoint checkpoint() const;
  // The signal that ended the run; 0 if none did.
  int signal() const { return signal_; }

 private:
  std::vector<Sample> translate_samples() const;
  void show(const attune::nn::Validation& validation, const std::vector<Sample>& samples,
            Progress& progress) const;
  std::vector<std::pair<std::string, attune::nn::Translation>> alignments() const;
  void save(Progress& progress);
  void report(const attune::nn::Validation& validation, std::vector<Sample> samples,
              Progress& progress);

  attune::nn::Trainer& trainer_;
  const attune::nn::Translator& translator_;
  attune::nn::Checkpoint description_;
  Output& output_;
  RunFolder& folder_;
  SessionOptions options_;
  std::vector<attune::data::Pair> pairs_;  // that samples are translated of
  int signal_ = 0;
  bool complained_ = false;  // of a report that cannot be written
};

}  // namespace seq2seq
