#include "examples/seq2seq/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "autograd/error.h"

namespace seq2seq {
namespace {

using attune::Error;

constexpr std::int64_t any = std::int64_t{1} << 40;

std::vector<Setting> make_settings() {
  const std::string data = "Data", model = "Model", training = "Training";
  return {
      {"data", "", "FILE", "Pairs to learn: UTF-8 lines, source TAB target [dates, generated]",
       file_name(), data, true},
      {"valid", "", "FILE", "Pairs to validate with [a tenth of --data, at most 2000 pairs]",
       file_name(), data, true},
      {"tokens", "char", "KIND", "What a text is cut into: char, word or byte",
       one_of({"char", "word", "byte"}), data},
      {"max-vocabulary", "0", "N", "At most N tokens a side, the most frequent ones; 0: all",
       whole_number(0, any), data},
      {"min-count", "1", "N", "Tokens that occur fewer than N times count as unknown",
       whole_number(1, any), data},
      {"max-length", "250", "N", "Pairs with more than N tokens on a side are left out",
       whole_number(1, 100000), data},
      {"dates", "60000", "N", "How many dates to generate", whole_number(1, 1000000), data},
      {"seed", "1", "N", "Equal seeds give equal models, in every bit", whole_number(0, any), data},
      {"model", "gru", "KIND", "gru, lstm or transformer", one_of({"gru", "lstm", "transformer"}),
       model},
      {"attention", "", "SCORE",
       "additive, dot, general, scaled, multihead or none [additive, transformer: multihead]",
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
      {"steps", "", "N", "End after N steps; 0: no limit [dates: 1000, --data: 10000]",
       whole_number(0, any), training, true},
      {"epochs", "0", "N", "End after N passes over the pairs; 0: no limit", whole_number(0, any),
       training, true},
      {"patience", "", "N",
       "End after N validations without a new best; 0: never "
       "[dates: 0, --data: 10]",
       whole_number(0, any), training, true},
      {"stop-at", "", "PERCENT",
       "End when two validations in a row have so many exactly right "
       "[dates: 99.8, --data: 100]",
       number(0, 100), training, true},
      {"validate-every", "", "N",
       "Steps between validations [dates: 100, --data: an epoch, but from 50 to 500]",
       whole_number(1, any), training},
      {"batch", "64", "N", "Pairs a step", whole_number(1, 65536), training},
      {"lr", "0.003", "RATE", "Learning rate of Adam, once warmed up", number(1e-8, 10), training},
      {"warmup", "100", "N", "Steps in which the learning rate rises from 0", whole_number(0, any),
       training},
      {"clip", "1", "NORM", "Gradients are scaled down to this norm", number(1e-6, 1e6), training},
      {"label-smoothing", "0", "P", "Probability moved from the right token to all", number(0, 0.9),
       training},
      {"scheduled-sampling", "0", "P",
       "Probability that the decoder is fed its own token, not the right one", number(0, 1),
       training},
  };
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

void Settings::choose_defaults(std::int64_t pairs) {
  const auto choose = [&](const char* name, const auto& value) {
    if (values_[name].empty()) values_[name] = fmt::format("{}", value);
  };
  choose("attention", text("model") == "transformer" ? "multihead" : "additive");
  const std::int64_t steps_per_epoch = pairs / whole("batch");
  choose("steps", dates() ? 1000 : 10000);
  choose("patience", dates() ? 0 : 10);
  choose("stop-at", dates() ? 99.8 : 100.0);
  choose("validate-every", dates() ? 100 : std::clamp<std::int64_t>(steps_per_epoch, 50, 500));
}

void Settings::resume(const std::map<std::string, std::string>& remembered,
                      const std::string& file) {
  std::vector<std::string> fixed, changeable;
  for (const Setting& setting : all_settings()) {
    const auto found = remembered.find(setting.name);
    if (found == remembered.end()) {
      // Options that came later had their default before.
      if (!remembered.empty() && !setting.value.empty()) continue;
      throw Error(
          fmt::format("{}: does not say with what --{} it was trained", file, setting.name));
    }
    const bool given = given_.contains(setting.name);
    if (setting.may_change) changeable.push_back("--" + setting.name);
    if (!given) {
      values_[setting.name] = found->second;
    } else if (!setting.may_change && !equal(values_[setting.name], found->second)) {
      fixed.push_back(fmt::format("--{} {}", setting.name, found->second));
    }
  }
  if (fixed.empty()) return;
  throw Error(fmt::format("{}: is trained with {}, which cannot change on --resume; {} may", file,
                          fmt::join(fixed, " "), fmt::join(changeable, ", ")));
}

}  // namespace seq2seq
