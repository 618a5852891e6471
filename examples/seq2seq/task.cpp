#include "examples/seq2seq/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <span>

#include "autograd/error.h"
#include "autograd/random.h"
#include "nn/data/dates.h"
#include "nn/data/pronunciations.h"
#include "nn/data/scan.h"

namespace seq2seq {
namespace {

namespace data = attune::data;
using attune::Error;

constexpr std::size_t validation_dates = 500, test_dates = 2000;
// Of the commands that SCAN trains with, so many validate.
constexpr std::ptrdiff_t validation_commands = 500;
// Of a user's own pairs a tenth is held out, but no more than this: each validation translates them
// all.
constexpr double held_out_share = 0.1;
constexpr double most_held_out = 2000;

void generate_dates(Task& task, std::uint64_t seed, std::size_t dates) {
  data::DateSets sets = data::generate_dates(seed, dates, validation_dates, test_dates);
  task.train = std::move(sets.train);
  task.valid = std::move(sets.valid);
  task.test = std::move(sets.test);
}

void generate_commands(Task& task, std::uint64_t seed, const std::string& split) {
  data::ScanSets sets =
      split == "length" ? data::scan_length_split() : data::scan_simple_split(seed);
  attune::Generator generator(seed, 1);
  shuffle(std::span(sets.train), generator);
  task.train.assign(sets.train.begin() + validation_commands, sets.train.end());
  task.valid.assign(sets.train.begin(), sets.train.begin() + validation_commands);
  task.test = std::move(sets.test);
}

std::vector<data::Entry> read_dictionary(const std::string& file) {
  if (file.empty() && !std::filesystem::exists(data::cmudict_path)) {
    throw Error(
        fmt::format("{}: there is no such file; install it with `sudo apt-get install "
                    "pocketsphinx-en-us`, or name another dictionary with --data",
                    data::cmudict_path));
  }
  return data::read_dictionary(file.empty() ? data::cmudict_path : file);
}

void read_pronunciations(Task& task, const std::string& file) {
  const std::vector<data::Entry> entries = read_dictionary(file);
  data::PronunciationSets sets = data::split_dictionary(entries);
  if (sets.valid.empty()) {
    throw Error(fmt::format("{}: has {} words; to learn from a dictionary takes at least 20",
                            file.empty() ? data::cmudict_path : file, entries.size()));
  }
  task.train = std::move(sets.train);
  task.valid = std::move(sets.valid);
  task.test = std::move(sets.test);
}

// Drops the pairs with a side that is too long.
void leave_out_long(Task& task, std::int64_t max_length, const std::string& file) {
  const auto too_long = [&](const std::string& text, data::Tokens tokens) {
    return data::tokenize(text, tokens).size() > static_cast<std::size_t>(max_length);
  };
  task.left_out = std::erase_if(task.train, [&](const data::Pair& pair) {
    return too_long(pair.source, task.tokens.source) || too_long(pair.target, task.tokens.target);
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
  if (file.empty()) throw Error("--task pairs: name a file of pairs with --data");
  task.train = data::read_pairs(file);
  leave_out_long(task, settings.whole("max-length"), file);
  if (settings.text("valid").empty()) {
    hold_out(task, static_cast<std::uint64_t>(settings.whole("seed")), file);
  } else {
    task.valid = data::read_pairs(settings.text("valid"));
  }
}

// A byte needs its token however rare it is.
data::Vocabulary vocabulary(data::TokenCounts& counts, data::Tokens tokens,
                            const Settings& settings) {
  if (tokens == data::Tokens::byte) {
    counts.add(data::byte_alphabet());
    return data::Vocabulary(counts);
  }
  return data::Vocabulary(counts, {static_cast<std::size_t>(settings.whole("max-vocabulary")),
                                   static_cast<std::size_t>(settings.whole("min-count"))});
}

void count_tokens(Task& task, const Settings& settings) {
  data::TokenCounts source, target;
  for (const data::Pair& pair : task.train) {
    const data::TokenSequence from = data::tokenize(pair.source, task.tokens.source);
    const data::TokenSequence to = data::tokenize(pair.target, task.tokens.target);
    source.add(from);
    target.add(to);
    task.longest_source = std::max(task.longest_source, static_cast<std::int64_t>(from.size()));
    task.longest_target = std::max(task.longest_target, static_cast<std::int64_t>(to.size()));
  }
  task.source = vocabulary(source, task.tokens.source, settings);
  task.target = vocabulary(target, task.tokens.target, settings);
}

void load_pairs(Task& task, const Settings& settings) {
  const std::string name = settings.task();
  const auto seed = static_cast<std::uint64_t>(settings.whole("seed"));
  if (name == "pairs") {
    read_pairs(task, settings);
  } else if (name == "pronounce") {
    read_pronunciations(task, settings.text("data"));
  } else if (name == "scan") {
    generate_commands(task, seed, settings.text("split"));
  } else {
    generate_dates(task, seed, static_cast<std::size_t>(settings.whole("dates")));
  }
}

}  // namespace

Task load_task(const Settings& settings) {
  const std::string name = settings.task();
  if (name != "pairs" && !settings.text("valid").empty()) {
    throw Error(fmt::format("--valid: goes with pairs; --task {} keeps a part of its own", name));
  }
  if ((name == "dates" || name == "scan") && !settings.text("data").empty()) {
    throw Error(fmt::format("--data: --task {} generates its pairs and takes none", name));
  }
  Task task;
  task.tokens = {data::tokens_named(settings.text("tokens")),
                 data::tokens_named(settings.text("target-tokens"))};
  task.measure = measure_of(name, task.tokens.target);
  load_pairs(task, settings);
  count_tokens(task, settings);
  return task;
}

std::vector<data::Pair> test_pairs(const std::map<std::string, std::string>& settings,
                                   const std::string& model) {
  const auto remembered = [&](const char* setting) {
    const auto found = settings.find(setting);
    return found == settings.end() ? std::string() : found->second;
  };
  const std::string seed = remembered("seed"), file = remembered("data");
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(seed.data(), seed.data() + seed.size(), number);
  const bool known = error == std::errc() && end == seed.data() + seed.size() && !seed.empty();
  std::string name = remembered("task");
  if (name.empty()) name = known && file.empty() ? "dates" : "pairs";
  if (!known || name == "pairs") {
    throw Error(
        fmt::format("{}: was trained on pairs of its user's own; name pairs to evaluate it "
                    "on with --data",
                    model));
  }
  Task task;
  if (name == "dates") generate_dates(task, number, 0);
  if (name == "scan") generate_commands(task, number, remembered("split"));
  if (name == "pronounce") read_pronunciations(task, file);
  return std::move(task.test);
}

std::vector<data::Pair> read_test(const std::string& file, const std::string& task) {
  if (task != "pronounce") return data::read_pairs(file);
  return data::pronunciation_pairs(data::read_dictionary(file));
}

}  // namespace seq2seq
