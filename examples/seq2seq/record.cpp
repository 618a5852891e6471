#include "examples/seq2seq/record.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace seq2seq {
namespace {

using Json = nlohmann::ordered_json;
using attune::nn::Evaluation;

std::string written(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

double number_in(const Json& json, const char* name) {
  const Json& value = json.at(name);
  return value.is_null() ? NAN : value.get<double>();
}

Json to_object(const Evaluation& valid) {
  return {{"pairs", valid.pairs},
          {"exact_match", valid.exact_match},
          {"token_accuracy", valid.token_accuracy},
          {"token_error_rate", valid.token_error_rate},
          {"perplexity", valid.perplexity},
          {"bleu", valid.bleu}};
}

Evaluation evaluation_from(const Json& json) {
  Evaluation valid;
  json.at("pairs").get_to(valid.pairs);
  valid.exact_match = number_in(json, "exact_match");
  valid.token_accuracy = number_in(json, "token_accuracy");
  valid.token_error_rate = number_in(json, "token_error_rate");
  valid.perplexity = number_in(json, "perplexity");
  valid.bleu = number_in(json, "bleu");
  return valid;
}

Json number_or_text(const std::string& text) {
  std::string digits = text;
  std::erase(digits, ',');
  const Json number = Json::parse(digits, nullptr, false);
  return number.is_number() ? number : Json(text);
}

// What a validation adds to a record.
void add_validation(Json& json, const Record& record) {
  json["valid"] = to_object(*record.valid);
  json["best"] = record.best;
  json["samples"] = Json::array();
  for (const Sample& sample : record.samples) {
    json["samples"].push_back({{"source", sample.source},
                               {"target", sample.target},
                               {"answer", sample.answer},
                               {"right", sample.right}});
  }
}

void read_validation(const Json& json, Record& record) {
  record.valid = evaluation_from(json.at("valid"));
  json.at("best").get_to(record.best);
  for (const Json& sample : json.at("samples")) {
    record.samples.push_back({sample.at("source"), sample.at("target"), sample.at("answer"),
                              sample.at("right").get<bool>()});
  }
}

}  // namespace

std::string to_json(const Record& record) {
  Json json = {{"step", record.step},
               {"seconds", record.seconds},
               {"loss", record.loss},
               {"learning_rate", record.learning_rate},
               {"tokens_per_second", record.tokens_per_second},
               {"gradient_norm", record.gradient_norm}};
  json["gradient_norms"] = Json::object();
  for (const auto& [layer, norm] : record.layers) json["gradient_norms"][layer] = norm;
  if (record.valid) add_validation(json, record);
  return written(json);
}

std::optional<Record> record_from(std::string_view text) try {
  const Json json = Json::parse(text);
  Record record;
  json.at("step").get_to(record.step);
  record.seconds = number_in(json, "seconds");
  record.loss = number_in(json, "loss");
  record.learning_rate = number_in(json, "learning_rate");
  record.tokens_per_second = number_in(json, "tokens_per_second");
  record.gradient_norm = number_in(json, "gradient_norm");
  const Json norms = json.value("gradient_norms", Json::object());
  for (const auto& [layer, norm] : norms.items()) {
    record.layers.emplace_back(layer, number_in(norms, layer.c_str()));
  }
  if (json.contains("valid")) read_validation(json, record);
  return record;
} catch (const Json::exception&) {
  return std::nullopt;
}

std::string to_json(const std::vector<std::pair<std::string, std::string>>& texts) {
  Json json = Json::object();
  for (const auto& [name, text] : texts) json[name] = number_or_text(text);
  return written(json, 2) + '\n';
}

}  // namespace seq2seq
