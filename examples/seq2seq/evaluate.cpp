#include "examples/seq2seq/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "autograd/error.h"
#include "examples/seq2seq/console.h"
#include "examples/seq2seq/progress.h"
#include "examples/seq2seq/task.h"
#include "nn/data/dates.h"
#include "nn/data/pairs.h"

namespace seq2seq {
namespace {

namespace nn = attune::nn;
namespace data = attune::data;
using attune::Error;

std::string remembered(const nn::Checkpoint& checkpoint, const std::string& setting) {
  const auto found = checkpoint.task.find(setting);
  return found == checkpoint.task.end() ? "" : found->second;
}

// The dates that training kept for the test, generated again.
std::vector<data::Pair> unseen_dates(const nn::Checkpoint& checkpoint, const std::string& model) {
  const std::string seed = remembered(checkpoint, "seed");
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(seed.data(), seed.data() + seed.size(), number);
  const bool known = error == std::errc() && end == seed.data() + seed.size() && !seed.empty();
  if (!known || !remembered(checkpoint, "data").empty()) {
    throw Error(fmt::format(
        "{}: was not trained on dates; name pairs to evaluate it on with --data", model));
  }
  return data::generate_dates(number, 0, 0, test_dates).test;
}

std::size_t count_unknown(const std::vector<nn::Translation>& translations) {
  return static_cast<std::size_t>(std::count_if(
      translations.begin(), translations.end(),
      [](const nn::Translation& translation) { return !translation.unknown.empty(); }));
}

std::string report(const nn::Evaluation& evaluation, data::Tokens tokens) {
  std::string lines;
  const auto line = [&](const char* what, const std::string& value) {
    lines += fmt::format("{:<16}{:>10}\n", what, value);
  };
  line("pairs", grouped(static_cast<std::int64_t>(evaluation.pairs)));
  line("exact match", fmt::format("{:.2f} %", 100 * evaluation.exact_match));
  line("token accuracy", fmt::format("{:.2f} %", 100 * evaluation.token_accuracy));
  line("perplexity", fmt::format("{:.4f}", evaluation.perplexity));
  if (tokens == data::Tokens::word) line("BLEU", fmt::format("{:.2f}", evaluation.bleu));
  return lines;
}

// The first pairs that are not translated exactly.
std::string list_mistakes(const std::vector<data::Pair>& pairs,
                          const std::vector<nn::Translation>& translations, data::Tokens tokens,
                          std::size_t most) {
  std::string lines;
  for (std::size_t i = 0, listed = 0; i < pairs.size() && listed < most; ++i) {
    if (translations[i].target_tokens == tokenize(pairs[i].target, tokens)) continue;
    lines += fmt::format("\n{}\n  answer  {}\n  right   {}\n", pairs[i].source,
                         translations[i].text, pairs[i].target);
    ++listed;
  }
  return lines;
}

}  // namespace

void evaluate(const EvaluateOptions& options) {
  const std::string& model = options.decoding.model;
  const nn::Checkpoint checkpoint = open_model(model);
  const std::vector<data::Pair> pairs =
      options.file.empty() ? unseen_dates(checkpoint, model) : data::read_pairs(options.file);
  const nn::Translator translator = make_translator(checkpoint, model);
  std::vector<std::string> sources;
  for (const data::Pair& pair : pairs) sources.push_back(pair.source);
  const std::vector<nn::Translation> translations =
      translator.translate_all(sources, decode_options(options.decoding, checkpoint));
  write_out(report(translator.judge(translations, pairs), translator.tokens()));
  if (const std::size_t unknown = count_unknown(translations); unknown > 0) {
    write_out(fmt::format("{} of the sources hold tokens that the model does not know\n",
                          grouped(static_cast<std::int64_t>(unknown))));
  }
  write_out(list_mistakes(pairs, translations, translator.tokens(),
                          static_cast<std::size_t>(options.mistakes)));
}

}  // namespace seq2seq
