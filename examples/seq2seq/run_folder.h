#pragma once
// What a training leaves to look at beside its checkpoint, in a folder:
//
//   config.json    the options it runs with, and what they made
//   metrics.jsonl  a record a line (record.h), about ten between two validations
//   report.html    curves, sample translations and heat maps, in one file (report.h)

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "examples/seq2seq/report.h"
#include "nn/trainer.h"

namespace seq2seq {

class RunFolder {
 public:
  // `path` is empty where nothing is to be kept. `report` says what does not change: title, measure
  // and settings. A record is made every `interval` steps, and of every validation.
  RunFolder(std::string path, Report report, std::int64_t interval)
      : path_(std::move(path)), report_(std::move(report)), interval_(interval) {}

  bool on() const { return !path_.empty(); }
  // Keeps nothing from now on.
  void abandon() { path_.clear(); }
  std::string page() const;

  // Makes the folder. A training that goes on after `step` goes on with what is recorded up to
  // there; one that begins, at 0, keeps the files of an earlier one under "NAME.old". Error where
  // that cannot be done.
  void begin(std::int64_t step);

  // What happens in training of `model`, of which `seconds` have passed since its very beginning.
  void add(const attune::nn::StepReport& step, double seconds, const attune::nn::Module& model);
  void add(const attune::nn::Validation& validation, double seconds,
           const attune::nn::Module& model, std::vector<Sample> samples);
  // Where the newest model looks: sources and their translations.
  void show(std::vector<std::pair<std::string, attune::nn::Translation>> alignments) {
    report_.alignments = std::move(alignments);
  }
  // The end: what there is to say of it stands below the report's title.
  void conclude(std::vector<std::string> sentences, double seconds,
                const attune::nn::Module& model);

  // Writes everything. Error where it cannot be written; what was there is as it was.
  void save() const;

 private:
  std::string file(const char* name) const { return path_ + '/' + name; }
  // Makes a record of the steps since the last one, if there are any, and of the gradients that the
  // model holds.
  void close_record(double seconds, const attune::nn::Module& model);

  std::string path_;
  Report report_;
  std::int64_t interval_;
  // Sums over the steps since the last record.
  std::int64_t steps_ = 0, tokens_ = 0;
  double loss_ = 0, norm_ = 0, stepping_ = 0;
  attune::nn::StepReport last_;
};

}  // namespace seq2seq
