#pragma once
// A training as a page to look at.

#include <string>
#include <utility>
#include <vector>

#include "examples/seq2seq/record.h"
#include "examples/seq2seq/scores.h"

namespace seq2seq {

struct Report {
  std::string title;
  std::vector<std::string> remarks;  // sentences below the title
  Measure measure = Measure::exact;
  std::vector<Record> records;
  // Of the samples, by the newest model: a source and its translation.
  std::vector<std::pair<std::string, attune::nn::Translation>> alignments;
  std::vector<std::pair<std::string, std::string>> settings;
};

// A file of HTML that needs no other: curves, sample translations as they changed, where the model
// looks.
std::string html_of(const Report& report);

}  // namespace seq2seq
