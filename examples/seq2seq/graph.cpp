#include "examples/seq2seq/graph.h"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>

#include "autograd/error.h"
#include "autograd/explain.h"
#include "examples/seq2seq/console.h"
#include "examples/seq2seq/decoding.h"
#include "examples/seq2seq/task.h"

namespace seq2seq {
namespace {

namespace nn = attune::nn;
namespace data = attune::data;

std::string setting_of(const nn::Checkpoint& checkpoint, const char* name) {
  const auto found = checkpoint.task.find(name);
  return found == checkpoint.task.end() ? "" : found->second;
}

// What the step is to be of, if not named: the first pair that the model's task tests with.
data::Pair sentence_for(const nn::Checkpoint& checkpoint, const nn::Translator& translator,
                        const std::string& path, const GraphOptions& options) {
  if (options.text.empty()) {
    const std::string task = setting_of(checkpoint, "task");
    if (task == "pairs" || (task.empty() && !setting_of(checkpoint, "data").empty())) {
      throw attune::Error("--graph: name a sentence for the step with --text");
    }
    return test_pairs(checkpoint.task, path).front();
  }
  if (!options.answer.empty()) return {options.text, options.answer};
  return {options.text, translator.translate(options.text).text};
}

}  // namespace

void write_graph(const nn::Checkpoint& checkpoint, const std::string& path,
                 const GraphOptions& options) {
  const nn::Translator translator = make_translator(checkpoint, path);
  const data::Pair pair = sentence_for(checkpoint, translator, path, options);
  const nn::Batch batch = translator.batch({pair});
  nn::Seq2Seq model = translator.model();
  model.train();
  const double smoothing = std::strtod(setting_of(checkpoint, "label-smoothing").c_str(), nullptr);
  // Scheduled sampling goes step by step. With this probability it never samples.
  const double sampling = options.unrolled ? std::numeric_limits<double>::min() : 0;
  const attune::Explanation graph =
      attune::explain([&] { return model.loss(batch, smoothing, sampling); },
                      {.title = fmt::format("{} -> {}", pair.source, pair.target),
                       .names = model.named_parameters(),
                       .check = options.check});
  graph.write(options.file);
  write_out(fmt::format("{}: {} nodes of one training step on \"{}\" -> \"{}\"\n", options.file,
                        graph.nodes.size(), visible(pair.source), visible(pair.target)));
}

}  // namespace seq2seq
