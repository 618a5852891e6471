#include "examples/seq2seq/run_folder.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "autograd/error.h"
#include "examples/seq2seq/files.h"
#include "nn/gradient_report.h"

namespace seq2seq {
namespace {

namespace fs = std::filesystem;
using attune::Error;

constexpr const char *config_name = "config.json", *metrics_name = "metrics.jsonl",
                     *page_name = "report.html";

// The records up to a step. Lines that are none are passed over: a report is no reason to fail.
std::vector<Record> read_records(const std::string& path, std::int64_t last_step) {
  std::vector<Record> records;
  std::ifstream file(path, std::ios::binary);
  for (std::string line; std::getline(file, line);) {
    const std::optional<Record> record = record_from(line);
    if (record && record->step <= last_step) records.push_back(*record);
  }
  return records;
}

}  // namespace

void RunFolder::begin(std::int64_t step) {
  if (!on()) return;
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw Error(fmt::format("{}: cannot be made: {}.", path_, error.message()));
  if (step > 0) {
    report_.records = read_records(file(metrics_name), step);
  } else {
    for (const char* const name : {config_name, metrics_name, page_name}) {
      if (fs::exists(file(name), error)) fs::rename(file(name), file(name) + ".old", error);
    }
  }
  replace_file(file(config_name), to_json(report_.settings));
}

void RunFolder::add(const attune::nn::StepReport& step, double seconds,
                    const attune::nn::Module& model) {
  if (!on()) return;
  ++steps_;
  tokens_ += step.tokens;
  loss_ += step.loss;
  norm_ += step.gradient_norm;
  stepping_ += step.seconds;
  last_ = step;
  if (step.step % interval_ == 0) close_record(seconds, model);
}

void RunFolder::close_record(double seconds, const attune::nn::Module& model) {
  if (steps_ == 0) return;
  const auto steps = static_cast<double>(steps_);
  Record record;
  record.step = last_.step;
  record.seconds = seconds;
  record.loss = loss_ / steps;
  record.learning_rate = last_.learning_rate;
  record.tokens_per_second = stepping_ > 0 ? static_cast<double>(tokens_) / stepping_ : 0;
  record.gradient_norm = norm_ / steps;
  for (const attune::nn::LayerGradient& layer : attune::nn::gradient_report(model).layers) {
    record.layers.emplace_back(layer.layer, layer.norm);
  }
  report_.records.push_back(std::move(record));
  steps_ = tokens_ = 0;
  loss_ = norm_ = stepping_ = 0;
}

void RunFolder::add(const attune::nn::Validation& validation, double seconds,
                    const attune::nn::Module& model, std::vector<Sample> samples) {
  if (!on()) return;
  close_record(seconds, model);
  Record& record = report_.records.back();
  record.valid = validation.evaluation;
  record.best = validation.best;
  record.samples = std::move(samples);
}

void RunFolder::conclude(std::vector<std::string> sentences, double seconds,
                         const attune::nn::Module& model) {
  close_record(seconds, model);
  report_.remarks = std::move(sentences);
}

std::string RunFolder::page() const {
  return file(page_name);
}

void RunFolder::save() const {
  if (!on()) return;
  std::string lines;
  for (const Record& record : report_.records) lines += to_json(record) + '\n';
  replace_file(file(metrics_name), lines);
  replace_file(page(), html_of(report_));
}

}  // namespace seq2seq
