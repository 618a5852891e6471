// A checkpoint is a safetensors file whose metadata are JSON, each entry for itself.

#include "nn/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "autograd/random.h"
#include "nn/data/vocabulary.h"
#include "nn/safetensors.h"

namespace attune::nn {
namespace {

using Json = nlohmann::json;
using Metadata = std::map<std::string, std::string>;

// Under "attune" in the metadata: what the file is, and the version of what follows here.
constexpr const char* mark = "seq2seq 1";
constexpr std::string_view newest_prefix = "training.parameters.";
constexpr std::string_view optimiser_prefix = "training.optimiser.";
constexpr std::string_view average_prefix = "training.average.";

Json to_json(const Seq2SeqOptions& options) {
  return {{"source_vocabulary", options.source_vocabulary},
          {"target_vocabulary", options.target_vocabulary},
          {"embedding", options.embedding},
          {"hidden", options.hidden},
          {"attention_size", options.attention_size},
          {"layers", options.layers},
          {"dropout", options.dropout},
          {"attention", name_of(options.attention)},
          {"architecture", name_of(options.architecture)},
          {"attending", name_of(options.attending)},
          {"heads", options.heads},
          {"feedforward", options.feedforward},
          {"bridge_both", options.bridge_both}};
}

Seq2SeqOptions options_from(const Json& json) {
  Seq2SeqOptions options;
  json.at("source_vocabulary").get_to(options.source_vocabulary);
  json.at("target_vocabulary").get_to(options.target_vocabulary);
  json.at("embedding").get_to(options.embedding);
  json.at("hidden").get_to(options.hidden);
  json.at("attention_size").get_to(options.attention_size);
  json.at("layers").get_to(options.layers);
  json.at("dropout").get_to(options.dropout);
  options.attention = attention_by_name(json.at("attention").get<std::string>());
  if (!json.contains("architecture")) {  // written when there was but one
    options.bridge_both = false;
    return options;
  }
  options.architecture = architecture_by_name(json.at("architecture").get<std::string>());
  options.attending = attending_by_name(json.at("attending").get<std::string>());
  json.at("heads").get_to(options.heads);
  json.at("feedforward").get_to(options.feedforward);
  options.bridge_both = json.value("bridge_both", true);
  return options;
}

Json to_json(const TrainingState& state) {
  return {{"step", state.step},
          {"epoch", state.epoch},
          {"batch", state.batch},
          {"seconds", state.seconds},
          {"values", state.values}};
}

TrainingState training_from(const Json& json) {
  TrainingState state;
  json.at("step").get_to(state.step);
  json.at("epoch").get_to(state.epoch);
  json.at("batch").get_to(state.batch);
  json.at("seconds").get_to(state.seconds);
  json.at("values").get_to(state.values);
  return state;
}

void append(NamedTensors& to, std::string_view prefix, const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors)
    to.emplace_back(fmt::format("{}{}", prefix, name), tensor);
}

}  // namespace

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) try {
  SafeTensors file;
  file.tensors = checkpoint.parameters;
  file.metadata = {{"attune", mark},
                   {"options", to_json(checkpoint.options).dump()},
                   {"tokens", std::string(name(checkpoint.tokens.source))},
                   {"target_tokens", std::string(name(checkpoint.tokens.target))},
                   {"source_vocabulary", Json(checkpoint.source_vocabulary).dump()},
                   {"target_vocabulary", Json(checkpoint.target_vocabulary).dump()},
                   {"longest_source", Json(checkpoint.longest_source).dump()},
                   {"longest_target", Json(checkpoint.longest_target).dump()},
                   {"task", Json(checkpoint.task).dump()}};
  if (checkpoint.training) {
    append(file.tensors, newest_prefix, checkpoint.training->parameters);
    append(file.tensors, optimiser_prefix, checkpoint.training->optimiser);
    append(file.tensors, average_prefix, checkpoint.training->average);
    file.metadata["training"] = to_json(*checkpoint.training).dump();
  }
  save_safetensors(path, file);
} catch (const Json::exception&) {
  throw Error(fmt::format("{}: cannot write: a text in the checkpoint is not valid UTF-8.", path));
}

namespace {

Checkpoint described_by(const Metadata& metadata) {
  const auto json = [&](const char* entry) { return Json::parse(metadata.at(entry)); };
  Checkpoint checkpoint;
  checkpoint.options = options_from(json("options"));
  checkpoint.tokens = data::tokens_named(metadata.at("tokens"));
  // It was one kind for both sides in files that do not say.
  if (const auto of_target = metadata.find("target_tokens"); of_target != metadata.end()) {
    checkpoint.tokens.target = data::tokens_named(of_target->second);
  }
  json("source_vocabulary").get_to(checkpoint.source_vocabulary);
  json("target_vocabulary").get_to(checkpoint.target_vocabulary);
  json("longest_source").get_to(checkpoint.longest_source);
  json("longest_target").get_to(checkpoint.longest_target);
  json("task").get_to(checkpoint.task);
  if (metadata.contains("training")) checkpoint.training = training_from(json("training"));
  return checkpoint;
}

// Sorts the tensors of a file to where they belong.
void hand_out(NamedTensors tensors, Checkpoint& checkpoint) {
  for (auto& [name, tensor] : tensors) {
    const auto take = [&, &name = name, &tensor = tensor](std::string_view prefix,
                                                          NamedTensors& to) {
      if (!name.starts_with(prefix)) return false;
      to.emplace_back(name.substr(prefix.size()), tensor);
      return true;
    };
    const bool of_training =
        checkpoint.training && (take(newest_prefix, checkpoint.training->parameters) ||
                                take(optimiser_prefix, checkpoint.training->optimiser) ||
                                take(average_prefix, checkpoint.training->average));
    if (!of_training) checkpoint.parameters.emplace_back(name, tensor);
  }
}

void require_tensor(const NamedTensors& tensors, const std::string& name, const Shape& shape) {
  const bool found = std::any_of(tensors.begin(), tensors.end(), [&](const auto& entry) {
    return entry.first == name && entry.second.shape() == shape &&
           is_floating(entry.second.dtype());
  });
  if (!found) throw Error(fmt::format("it has no {} of shape {}", name, to_string(shape)));
}

void require_parameters(const NamedTensors& tensors, const NamedTensors& of_model) {
  for (const auto& [name, tensor] : of_model) require_tensor(tensors, name, tensor.shape());
  if (tensors.size() != of_model.size()) {
    throw Error(
        fmt::format("it has {} parameters, and its model has {}", tensors.size(), of_model.size()));
  }
}

// Throws unless the parts of the checkpoint fit each other.
void check(const Checkpoint& checkpoint) {
  const Seq2SeqOptions& options = checkpoint.options;
  const auto require_shape = [&](const char* parameter, const Shape& shape) {
    require_tensor(checkpoint.parameters, parameter, shape);
  };
  // These bound the sizes, before a model of such sizes is made.
  const bool transformer = options.architecture == Architecture::transformer;
  require_shape("source_embedding.weight",
                {options.source_vocabulary, transformer ? options.hidden : options.embedding});
  require_shape("output.weight", {options.target_vocabulary, options.hidden});
  if (transformer) {
    require_shape("encoder.layers.0.linear1.bias", {options.feedforward});
  } else if (options.attention == Attention::additive) {
    require_shape("attention.v", {options.attention_size});
  }
  if (options.layers > static_cast<std::int64_t>(checkpoint.parameters.size())) {
    throw Error(fmt::format("it has {} layers in {} parameters", options.layers,
                            checkpoint.parameters.size()));
  }
  const Generator before = default_generator();
  const NamedTensors of_model = Seq2Seq(options).named_parameters();
  default_generator() = before;
  require_parameters(checkpoint.parameters, of_model);
  if (checkpoint.training && !checkpoint.training->parameters.empty()) {
    require_parameters(checkpoint.training->parameters, of_model);
  }
  const auto require_size = [](const std::vector<std::string>& vocabulary, std::int64_t size) {
    if (data::Vocabulary::from_tokens(vocabulary).size() == static_cast<std::size_t>(size)) return;
    throw Error(fmt::format("it has {} tokens for {} embeddings", vocabulary.size(), size));
  };
  require_size(checkpoint.source_vocabulary, options.source_vocabulary);
  require_size(checkpoint.target_vocabulary, options.target_vocabulary);
}

}  // namespace

Checkpoint load_checkpoint(const std::string& path) {
  SafeTensors file = load_safetensors(path);
  const auto found = file.metadata.find("attune");
  if (found == file.metadata.end()) {
    throw Error(fmt::format("{}: this safetensors file is no checkpoint of attune.", path));
  }
  if (found->second != mark) {
    throw Error(
        fmt::format("{}: this is a checkpoint of another kind or version, '{}'; '{}' was "
                    "expected.",
                    path, found->second, mark));
  }
  try {
    Checkpoint checkpoint = described_by(file.metadata);
    hand_out(std::move(file.tensors), checkpoint);
    check(checkpoint);
    return checkpoint;
  } catch (const std::out_of_range&) {
    throw Error(fmt::format("{}: the checkpoint is damaged: its metadata are incomplete.", path));
  } catch (const std::runtime_error& error) {
    throw Error(fmt::format("{}: the checkpoint is damaged: {}", path, error.what()));
  } catch (const Json::exception& error) {
    throw Error(fmt::format("{}: the checkpoint is damaged: {}", path, error.what()));
  }
}

}  // namespace attune::nn
