#include "examples/seq2seq/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "examples/seq2seq/console.h"
#include "examples/seq2seq/progress.h"
#include "examples/seq2seq/scores.h"
#include "examples/seq2seq/task.h"
#include "nn/data/pairs.h"

namespace seq2seq {
namespace {

namespace nn = attune::nn;
namespace data = attune::data;

std::size_t count_unknown(const std::vector<nn::Translation>& translations) {
  return static_cast<std::size_t>(std::count_if(
      translations.begin(), translations.end(),
      [](const nn::Translation& translation) { return !translation.unknown.empty(); }));
}

// The first pairs that are not translated exactly.
std::string list_mistakes(const nn::Translator& translator, const std::vector<data::Pair>& pairs,
                          const std::vector<nn::Translation>& translations, std::size_t most) {
  std::string lines;
  for (std::size_t i = 0, listed = 0; i < pairs.size() && listed < most; ++i) {
    if (translator.is_right(translations[i], pairs[i])) continue;
    lines += fmt::format("\n{}\n  answer  {}\n", pairs[i].source, translations[i].text);
    lines += fmt::format("  right   {}\n", pairs[i].target);
    for (const std::string& other : pairs[i].alternatives)
      lines += fmt::format("  or      {}\n", other);
    ++listed;
  }
  return lines;
}

}  // namespace

void evaluate(const EvaluateOptions& options) {
  const std::string& model = options.decoding.model;
  const nn::Checkpoint checkpoint = open_model(model);
  const auto named = checkpoint.task.find("task");
  const std::string task = named == checkpoint.task.end() ? "" : named->second;
  const std::vector<data::Pair> pairs =
      options.file.empty() ? test_pairs(checkpoint.task, model) : read_test(options.file, task);
  const nn::Translator translator = make_translator(checkpoint, model);
  std::vector<std::string> sources;
  for (const data::Pair& pair : pairs) sources.push_back(pair.source);
  const std::vector<nn::Translation> translations =
      translator.translate_all(sources, decode_options(options.decoding, checkpoint));
  write_out(as_table(translator.judge(translations, pairs),
                     measure_of(task, translator.tokens().target)));
  if (const std::size_t unknown = count_unknown(translations); unknown > 0) {
    write_out(fmt::format("{} of the sources hold tokens that the model does not know\n",
                          grouped(static_cast<std::int64_t>(unknown))));
  }
  write_out(
      list_mistakes(translator, pairs, translations, static_cast<std::size_t>(options.mistakes)));
}

}  // namespace seq2seq
