#include "examples/seq2seq/task.h"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/error.h"
#include "nn/data/dates.h"

namespace seq2seq {
namespace {

namespace data = attune::data;
using attune::Error;

constexpr std::size_t validation_dates = 500;
// Of a user's own pairs a tenth is held out, but no more than this: each validation translates them
// all.
constexpr double held_out_share = 0.1;
constexpr double most_held_out = 2000;

void generate_dates(Task& task, const Settings& settings) {
  data::DateSets sets = data::generate_dates(static_cast<std::uint64_t>(settings.whole("seed")),
                                             static_cast<std::size_t>(settings.whole("dates")),
                                             validation_dates, test_dates);
  task.train = std::move(sets.train);
  task.valid = std::move(sets.valid);
  task.test = std::move(sets.test);
}

// Drops the pairs with a side that is too long.
void leave_out_long(Task& task, std::int64_t max_length, const std::string& file) {
  const auto too_long = [&](const std::string& text) {
    return data::tokenize(text, task.tokens).size() > static_cast<std::size_t>(max_length);
  };
  task.left_out = std::erase_if(task.train, [&](const data::Pair& pair) {
    return too_long(pair.source) || too_long(pair.target);
  });
  if (task.train.empty()) {
    throw Error(fmt::format("{}: every pair has more than {} tokens on a side; raise --max-length",
                            file, max_length));
  }
}

void hold_out(Task& task, std::uint64_t seed, const std::string& file) {
  const double share =
      std::min(held_out_share, most_held_out / static_cast<double>(task.train.size()));
  try {
    data::HeldOut sides = data::hold_out(task.train, share, seed);
    task.train = std::move(sides.train);
    task.valid = std::move(sides.valid);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {} (--valid)", file, error.what()));
  }
}

void read_pairs(Task& task, const Settings& settings) {
  const std::string& file = settings.text("data");
  task.train = data::read_pairs(file);
  leave_out_long(task, settings.whole("max-length"), file);
  if (settings.text("valid").empty()) {
    hold_out(task, static_cast<std::uint64_t>(settings.whole("seed")), file);
  } else {
    task.valid = data::read_pairs(settings.text("valid"));
  }
}

// A byte needs its token however rare it is.
data::VocabularyLimits limits(const Settings& settings) {
  if (settings.text("tokens") == "byte") return {};
  return {static_cast<std::size_t>(settings.whole("max-vocabulary")),
          static_cast<std::size_t>(settings.whole("min-count"))};
}

void count_tokens(Task& task, const Settings& settings) {
  data::TokenCounts source, target;
  for (const data::Pair& pair : task.train) {
    const data::TokenSequence from = data::tokenize(pair.source, task.tokens);
    const data::TokenSequence to = data::tokenize(pair.target, task.tokens);
    source.add(from);
    target.add(to);
    task.longest_source = std::max(task.longest_source, static_cast<std::int64_t>(from.size()));
    task.longest_target = std::max(task.longest_target, static_cast<std::int64_t>(to.size()));
  }
  if (task.tokens == data::Tokens::byte) {
    source.add(data::byte_alphabet());
    target.add(data::byte_alphabet());
  }
  task.source = data::Vocabulary(source, limits(settings));
  task.target = data::Vocabulary(target, limits(settings));
}

}  // namespace

Task load_task(const Settings& settings) {
  Task task;
  task.tokens = data::tokens_named(settings.text("tokens"));
  if (settings.dates() && !settings.text("valid").empty()) {
    throw Error("--valid: goes with --data; dates are validated with dates of their own");
  }
  if (settings.dates()) {
    generate_dates(task, settings);
  } else {
    read_pairs(task, settings);
  }
  count_tokens(task, settings);
  return task;
}

}  // namespace seq2seq
