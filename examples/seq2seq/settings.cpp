#include "examples/seq2seq/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "autograd/error.h"

namespace seq2seq {
namespace {

using attune::Error;

constexpr std::int64_t any = std::int64_t{1} << 40;

std::vector<Setting> data_settings() {
  const std::string data = "Data";
  return {
      {"task", "", "KIND", "dates, pairs, pronounce or scan [dates; pairs where --data is given]",
       one_of({"dates", "pairs", "pronounce", "scan"}), data},
      {"data", "", "FILE",
       "Pairs to learn: UTF-8 lines, source TAB target; pronounce: a dictionary "
       "[that of Debian's package pocketsphinx-en-us]",
       file_name(), data, true},
      {"valid", "", "FILE", "Pairs to validate with [a tenth of --data, at most 2000 pairs]",
       file_name(), data, true},
      {"split", "simple", "KIND",
       "scan: test a random fifth (simple), or what is longer than all that is learned (length)",
       one_of({"simple", "length"}), data},
      {"tokens", "char", "KIND", "What a text is cut into: char, word or byte",
       one_of({"char", "word", "byte"}), data},
      {"target-tokens", "", "KIND", "What a target is cut into, if not by --tokens",
       one_of({"char", "word", "byte"}), data},
      {"max-vocabulary", "0", "N", "At most N tokens a side, the most frequent ones; 0: all",
       whole_number(0, any), data},
      {"min-count", "1", "N", "Tokens that occur fewer than N times count as unknown",
       whole_number(1, any), data},
      {"max-length", "250", "N", "Pairs with more than N tokens on a side are left out",
       whole_number(1, 100000), data},
      {"dates", "60000", "N", "How many dates to generate", whole_number(1, 1000000), data},
      {"seed", "1", "N", "Equal seeds give equal models, in every bit", whole_number(0, any), data},
  };
}

std::vector<Setting> model_settings() {
  const std::string model = "Model";
  return {
      {"model", "gru", "KIND", "gru, lstm or transformer", one_of({"gru", "lstm", "transformer"}),
       model},
      {"attention", "", "SCORE",
       "additive, dot, general, scaled, multihead, none or fixed [additive, transformer: "
       "multihead]",
       one_of({"additive", "dot", "general", "scaled", "multihead", "none", "fixed"}), model},
      {"attend", "before", "WHEN",
       "before or after the decoder's step: Bahdanau's decoder, or Luong's with input feeding",
       one_of({"before", "after"}), model},
      {"heads", "4", "N", "Heads of multi-head attention", whole_number(1, 1024), model},
      {"feedforward", "512", "N", "Units of a transformer's feed-forward network",
       whole_number(1, 65536), model},
      {"hidden", "128", "N",
       "Units of a GRU or LSTM and of the additive score; features of a transformer",
       whole_number(1, 8192), model},
      {"embedding", "64", "N", "Features of a token; a transformer has --hidden",
       whole_number(1, 8192), model},
      {"layers", "1", "N", "Layers of the encoder and of the decoder", whole_number(1, 16), model},
      {"dropout", "0", "P", "Share of the features dropped while training", number(0, 0.95), model},
  };
}

std::vector<Setting> training_settings() {
  const std::string training = "Training";
  return {
      {"steps", "10000", "N", "End after N steps; 0: no limit", whole_number(0, any), training,
       true},
      {"epochs", "0", "N", "End after N passes over the pairs; 0: no limit", whole_number(0, any),
       training, true},
      {"patience", "10", "N", "End after N validations without a new best; 0: never",
       whole_number(0, any), training, true},
      {"stop-at", "100", "PERCENT", "End when two validations in a row have so many exactly right",
       number(0, 100), training, true},
      {"validate-every", "", "N",
       "Steps between validations [an epoch, but from 50 to 2000; with cosine, a part of --steps]",
       whole_number(1, any), training},
      {"batch", "64", "N", "Pairs a step", whole_number(1, 65536), training},
      {"lr", "0.003", "RATE", "Learning rate of Adam, once warmed up", number(1e-8, 10), training},
      {"warmup", "100", "N", "Steps in which the learning rate rises from 0", whole_number(0, any),
       training},
      {"schedule", "plateau", "KIND",
       "plateau halves the rate when the validation loss stands still, cosine lets it fall to a "
       "hundredth at --steps",
       one_of({"plateau", "cosine"}), training},
      {"average", "0", "DECAY",
       "Validate and keep a moving average of the parameters, such as 0.999; 0: none",
       number(0, 0.999999), training},
      {"clip", "1", "NORM", "Gradients are scaled down to this norm", number(1e-6, 1e6), training},
      {"label-smoothing", "0", "P", "Probability moved from the right token to all", number(0, 0.9),
       training},
      {"scheduled-sampling", "0", "P",
       "Probability that the decoder is fed its own token, not the right one", number(0, 1),
       training},
  };
}

using Values = std::map<std::string, std::string>;

// What the tasks, and after them a model, are better learned with than by the defaults above.
const std::vector<std::pair<std::string, Values>>& recipes() {
  static const std::vector<std::pair<std::string, Values>> recipes{
      {"dates",
       {{"steps", "2000"}, {"patience", "0"}, {"stop-at", "99.8"}, {"validate-every", "100"}}},
      {"pronounce",
       {{"target-tokens", "word"},
        {"hidden", "256"},
        {"embedding", "128"},
        {"dropout", "0.2"},
        {"steps", "14000"},
        {"patience", "0"},
        {"lr", "0.002"},
        {"schedule", "cosine"},
        {"average", "0.999"},
        {"label-smoothing", "0.1"}}},
      {"scan", {{"tokens", "word"}, {"steps", "3000"}, {"patience", "0"}, {"schedule", "cosine"}}},
      {"transformer", {{"lr", "0.001"}}},
  };
  return recipes;
}

// Whether an option is later than the first checkpoints, in which its default held.
bool is_later(const std::string& name) {
  static const std::set<std::string> later{"task", "split", "target-tokens", "schedule", "average"};
  return later.contains(name);
}

std::vector<Setting> make_settings() {
  std::vector<Setting> all = data_settings();
  for (const auto& more : {model_settings(), training_settings()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

bool equal(const std::string& a, const std::string& b) {
  double x = 0, y = 0;
  const auto read = [](const std::string& text, double& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc();
  };
  return a == b || (read(a, x) && read(b, y) && x == y);
}

}  // namespace

const std::vector<Setting>& all_settings() {
  static const std::vector<Setting> settings = make_settings();
  return settings;
}

std::string describe(const Setting& setting) {
  std::vector<std::string> defaults;
  for (const auto& [what, values] : recipes()) {
    const auto found = values.find(setting.name);
    if (found != values.end()) defaults.push_back(fmt::format("{}: {}", what, found->second));
  }
  if (defaults.empty()) return setting.help;
  return fmt::format("{} [{}]", setting.help, fmt::join(defaults, ", "));
}

Settings::Settings() {
  for (const Setting& setting : all_settings()) values_[setting.name] = setting.value;
}

void Settings::give(const std::string& name, const std::string& value) {
  values_.at(name) = value;
  given_.insert(name);
}

const std::string& Settings::text(const std::string& name) const {
  return values_.at(name);
}

std::int64_t Settings::whole(const std::string& name) const {
  return static_cast<std::int64_t>(real(name));
}

double Settings::real(const std::string& name) const {
  const std::string& text = values_.at(name);
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) {
    throw Error(fmt::format("--{}: \"{}\" is no number", name, text));
  }
  return value;
}

std::string Settings::task() const {
  if (!text("task").empty()) return text("task");
  return text("data").empty() ? "dates" : "pairs";
}

void Settings::choose_defaults() {
  values_["task"] = task();
  for (const auto& [what, values] : recipes()) {
    if (what != task() && what != text("model")) continue;
    for (const auto& [name, value] : values) {
      if (!given_.contains(name)) values_[name] = value;
    }
  }
  const auto choose = [&](const char* name, const std::string& value) {
    if (values_[name].empty()) values_[name] = value;
  };
  choose("attention", text("model") == "transformer" ? "multihead" : "additive");
  choose("target-tokens", text("tokens"));
}

void Settings::choose_interval(std::int64_t pairs) {
  std::string& interval = values_["validate-every"];
  if (!interval.empty()) return;
  std::int64_t steps = std::clamp<std::int64_t>(pairs / whole("batch"), 50, 2000);
  // A rate that falls to the end gives its best there, where no odd rest may go without validation.
  const std::int64_t all = whole("steps");
  if (text("schedule") == "cosine" && all > 0) steps = all / ((all + steps - 1) / steps);
  interval = fmt::format("{}", steps);
}

void Settings::resume(const std::map<std::string, std::string>& remembered,
                      const std::string& file) {
  std::vector<std::string> fixed, changeable;
  for (const Setting& setting : all_settings()) {
    const auto found = remembered.find(setting.name);
    if (found == remembered.end()) {
      if (!remembered.empty() && (is_later(setting.name) || !setting.value.empty())) continue;
      throw Error(
          fmt::format("{}: does not say with what --{} it was trained", file, setting.name));
    }
    const bool given = given_.contains(setting.name);
    if (setting.may_change) changeable.push_back("--" + setting.name);
    if (!given) {
      values_[setting.name] = found->second;
      given_.insert(setting.name);
    } else if (!setting.may_change && !equal(values_[setting.name], found->second)) {
      fixed.push_back(fmt::format("--{} {}", setting.name, found->second));
    }
  }
  if (fixed.empty()) return;
  throw Error(fmt::format("{}: is trained with {}, which cannot change on --resume; {} may", file,
                          fmt::join(fixed, " "), fmt::join(changeable, ", ")));
}

}  // namespace seq2seq
