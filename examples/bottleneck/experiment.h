#pragma once
// The experiment that attention was invented for: random strings of 26 letters are said backwards,
// and the longer they are, the less of them fits into one vector.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nn/seq2seq.h"

namespace bottleneck {

enum class Task { reverse, copy };

// A model that takes part.
struct Contender {
  std::string name;
  attune::nn::Seq2SeqOptions options;  // the vocabularies are filled in
};

struct Budget {
  Task task = Task::reverse;
  std::int64_t shortest = 2, longest = 40;  // strings trained on, in letters
  std::int64_t updates = 3000;
  std::int64_t batch = 64;  // strings an update
  double learning_rate = 3e-3;
  std::int64_t look_every = 100;  // updates between looks at the accuracy
  std::int64_t tests = 200;       // strings a length
};

struct Accuracy {
  double tokens = 0;  // share of the letters that stand at their place
  double exact = 0;   // share of the strings that are right in every letter
};

struct Look {
  std::int64_t update;
  double loss;
  Accuracy accuracy;  // on strings as long as those trained on
};

struct Run {
  std::string name;
  std::uint64_t seed = 0;
  std::int64_t parameters = 0;
  double milliseconds = 0;  // an update, the median
  std::vector<Look> looks;
  std::vector<std::int64_t> lengths;  // tested
  std::vector<Accuracy> by_length;

  // The first look at which so much of the letters was right; 0 if none.
  std::int64_t updates_to(double tokens) const;
};

// Called after every look.
using Progress = std::function<void(const Look&)>;

// Trains the model on strings drawn from the seed, and tests it on others of each length.
Run train_and_test(const Contender& contender, const Budget& budget, std::uint64_t seed,
                   const std::vector<std::int64_t>& lengths, const Progress& progress);

// The number of parameters of the model.
std::int64_t parameters_of(const Contender& contender);

// The four of the main experiment: the fixed vector as initial state, the same shown at every step,
// the latter widened until it has no fewer parameters than attention, and attention.
std::vector<Contender> main_contenders(std::int64_t hidden);

}  // namespace bottleneck
