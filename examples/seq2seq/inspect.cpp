#include "examples/seq2seq/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "examples/seq2seq/console.h"
#include "examples/seq2seq/progress.h"
#include "nn/data/display_width.h"

namespace seq2seq {
namespace {

namespace nn = attune::nn;
namespace data = attune::data;

// Lines of a name and a value each, under a heading.
class Section {
 public:
  explicit Section(std::string heading) : text_(std::move(heading) + '\n') {}

  Section& add(const std::string& name, const std::string& value) {
    text_ += fmt::format("  {:<22} {}\n", name, value);
    return *this;
  }
  Section& add(const std::string& name, std::int64_t value) { return add(name, grouped(value)); }
  Section& add(const std::map<std::string, std::string>& values) {
    for (const auto& [name, value] : values) {
      if (!value.empty()) add(name, visible(value));
    }
    return *this;
  }
  std::string text() const { return text_ + '\n'; }

 private:
  std::string text_;
};

std::string describe(const data::TokenKinds& tokens) {
  if (tokens.source == tokens.target) return std::string(data::name(tokens.source));
  return fmt::format("{}, and {} of the target", data::name(tokens.source),
                     data::name(tokens.target));
}

std::string describe_model(const nn::Checkpoint& checkpoint) {
  const nn::Seq2SeqOptions& options = checkpoint.options;
  std::int64_t count = 0;
  for (const auto& [name, tensor] : checkpoint.parameters) count += tensor.numel();
  Section section("Model");
  section.add("kind", std::string(nn::name_of(options.architecture)))
      .add("attention", std::string(nn::name_of(options.attention)));
  if (options.architecture == nn::Architecture::transformer) {
    section.add("features", options.hidden)
        .add("heads", options.heads)
        .add("feed-forward", options.feedforward);
  } else {
    section.add("attends", fmt::format("{} the step", nn::name_of(options.attending)))
        .add("embedding", options.embedding)
        .add("hidden", options.hidden)
        .add("attention size", options.attention_size);
  }
  return section.add("layers", options.layers)
      .add("dropout", fmt::format("{}", options.dropout))
      .add("parameters", count)
      .add("tokens", describe(checkpoint.tokens))
      .add("longest source", fmt::format("{} tokens", checkpoint.longest_source))
      .add("longest target", fmt::format("{} tokens", checkpoint.longest_target))
      .text();
}

std::string describe_training(const nn::TrainingState& training) {
  return Section("Training")
      .add("steps", training.step)
      .add("epochs", fmt::format("{}, and {} batches", training.epoch, training.batch))
      .add("time", clock_time(training.seconds))
      .add(training.values)
      .text();
}

// The tokens side by side in lines of a screen's width, as many as fit into a few.
std::string abbreviated(const std::vector<std::string>& tokens) {
  constexpr std::size_t most_lines = 4, width = 76;
  std::string text = " ";
  std::size_t column = 0, lines = 1;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string token = visible(tokens[i]);
    const std::size_t needed = data::display_width(token) + 1;
    if (column > 0 && column + needed > width) {
      if (++lines > most_lines) {
        const auto left = static_cast<std::int64_t>(tokens.size() - i);
        return text + fmt::format("\n  and {} more; --vocabulary shows all\n", grouped(left));
      }
      text += "\n ";
      column = 0;
    }
    text += ' ' + token;
    column += needed;
  }
  return text + '\n';
}

std::string describe_vocabulary(const char* side, const std::vector<std::string>& tokens,
                                bool whole) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  std::string text = fmt::format("{} vocabulary: {} tokens\n", side, grouped(count));
  if (!whole) return text + abbreviated(tokens) + '\n';
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    text += fmt::format("{:>8}  {}\n", id, visible(tokens[id]));
  }
  return text + '\n';
}

struct Moments {
  double mean = 0, deviation = 0;
};

Moments moments_of(const attune::Tensor& tensor) {
  const std::vector<double> values = tensor.to_vector<double>();
  if (values.empty()) return {};
  const auto count = static_cast<double>(values.size());
  Moments moments;
  for (const double value : values) moments.mean += value / count;
  for (const double value : values) {
    moments.deviation += (value - moments.mean) * (value - moments.mean) / count;
  }
  moments.deviation = std::sqrt(moments.deviation);
  return moments;
}

std::string table_of(const nn::NamedTensors& parameters) {
  std::size_t width = 10;
  for (const auto& [name, tensor] : parameters) width = std::max(width, name.size());
  std::string table = fmt::format("{:<{}}  {:<12}{:>10}{:>10}{:>10}\n", "Parameters", width,
                                  "shape", "count", "mean", "std");
  std::int64_t total = 0;
  for (const auto& [name, tensor] : parameters) {
    const Moments moments = moments_of(tensor);
    table += fmt::format("{:<{}}  {:<12}{:>10}{:>10.4f}{:>10.4f}\n", name, width,
                         to_string(tensor.shape()), grouped(tensor.numel()), moments.mean,
                         moments.deviation);
    total += tensor.numel();
  }
  return table + fmt::format("{:<{}}  {:<12}{:>10}\n", "total", width, "", grouped(total));
}

}  // namespace

void inspect(const InspectOptions& options) {
  const nn::Checkpoint checkpoint = open_model(options.file);
  if (!options.graph.file.empty()) return write_graph(checkpoint, options.file, options.graph);
  std::string text = describe_model(checkpoint);
  if (!checkpoint.task.empty()) text += Section("Task").add(checkpoint.task).text();
  if (checkpoint.training) text += describe_training(*checkpoint.training);
  text += describe_vocabulary("Source", checkpoint.source_vocabulary, options.vocabulary);
  text += describe_vocabulary("Target", checkpoint.target_vocabulary, options.vocabulary);
  write_out(text + table_of(checkpoint.parameters));
}

}  // namespace seq2seq
