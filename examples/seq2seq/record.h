#pragma once
// What is written down of a training: a line of JSON every so often.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nn/translator.h"

namespace seq2seq {

// A validation pair, and how it is translated.
struct Sample {
  std::string source, target, answer;
  bool right = false;
};

// The steps since the record before, up to this one.
struct Record {
  std::int64_t step = 0;
  double seconds = 0;  // of training, from its very beginning
  double loss = 0;     // mean of the steps
  double learning_rate = 0;
  double tokens_per_second = 0;                        // source and target, validations not counted
  double gradient_norm = 0;                            // before clipping, mean of the steps
  std::vector<std::pair<std::string, double>> layers;  // the norm of each one's last gradient

  // Of a validation, where one followed.
  std::optional<attune::nn::Evaluation> valid;
  bool best = false;
  std::vector<Sample> samples;
};

// Without a line feed. What is not finite reads null.
std::string to_json(const Record& record);
// Nothing for a line that is no such record, for example one that was cut short.
std::optional<Record> record_from(std::string_view json);

// An object of the texts by which a run is described; those that are numbers, such as "0.5" and
// "60,000", become numbers.
std::string to_json(const std::vector<std::pair<std::string, std::string>>& texts);

}  // namespace seq2seq
