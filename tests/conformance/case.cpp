#include "tests/conformance/case.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "autograd/ops.h"
#include "nn/safetensors.h"

namespace attune::conformance {
namespace {

using nlohmann::json;

// Python writes numbers that JSON does not have; they become strings, if they are none yet.
std::string with_quotes(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    std::size_t length = 0;
    for (const std::string_view number : {"-Infinity", "Infinity", "NaN"}) {
      if (length == 0 && text.starts_with(number)) length = number.size();
    }
    const bool quoted = !result.empty() && result.back() == '"';
    if (length == 0) {
      result += text[0];
      text.remove_prefix(1);
      continue;
    }
    result += quoted ? std::string(text.substr(0, length))
                     : fmt::format("\"{}\"", text.substr(0, length));
    text.remove_prefix(length);
  }
  return result;
}

json parse(const std::string& text) {
  json values = json::parse(with_quotes(text), nullptr, false);
  if (!values.is_object()) throw Error(fmt::format("its attrs are no JSON object: {}", text));
  return values;
}

bool is_number(const json& value) {
  return value.is_number() || value == "Infinity" || value == "-Infinity" || value == "NaN";
}

double to_number(const json& value) {
  return value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>();
}

[[noreturn]] void unfit(const std::string& name, const char* wanted, const json& value) {
  throw Error(fmt::format("attribute '{}' must be {}, not {}", name, wanted, value.dump()));
}

}  // namespace

Attributes::Attributes(const std::string& text) : values_(parse(text)) {}

bool Attributes::has(const std::string& name) const {
  return values_.contains(name) && !values_[name].is_null();
}

const json& Attributes::at(const std::string& name) const {
  if (!has(name)) throw Error(fmt::format("attribute '{}' is missing", name));
  return values_[name];
}

std::int64_t Attributes::integer(const std::string& name,
                                 std::optional<std::int64_t> fallback) const {
  if (fallback && !has(name)) return *fallback;
  if (!at(name).is_number_integer()) unfit(name, "an integer", at(name));
  return at(name).get<std::int64_t>();
}

double Attributes::number(const std::string& name, std::optional<double> fallback) const {
  if (fallback && !has(name)) return *fallback;
  if (!is_number(at(name))) unfit(name, "a number", at(name));
  return to_number(at(name));
}

bool Attributes::flag(const std::string& name, std::optional<bool> fallback) const {
  if (fallback && !has(name)) return *fallback;
  if (!at(name).is_boolean()) unfit(name, "true or false", at(name));
  return at(name).get<bool>();
}

std::string Attributes::text(const std::string& name, std::optional<std::string> fallback) const {
  if (fallback && !has(name)) return *fallback;
  if (!at(name).is_string()) unfit(name, "a string", at(name));
  return at(name).get<std::string>();
}

std::vector<std::int64_t> Attributes::integers(const std::string& name) const {
  if (!has(name)) return {};
  if (at(name).is_number_integer()) return {at(name).get<std::int64_t>()};
  std::vector<std::int64_t> list;
  for (const json& value : at(name)) {
    if (!value.is_number_integer()) unfit(name, "a list of integers", at(name));
    list.push_back(value.get<std::int64_t>());
  }
  return list;
}

std::vector<double> Attributes::numbers(const std::string& name,
                                        std::vector<double> fallback) const {
  if (!has(name)) return fallback;
  std::vector<double> list;
  for (const json& value : at(name)) {
    if (!is_number(value)) unfit(name, "a list of numbers", at(name));
    list.push_back(to_number(value));
  }
  return list;
}

namespace {

// "grad_in.3" with prefix "grad_in." -> 3.
std::optional<std::size_t> number_after(std::string_view prefix, std::string_view name) {
  std::size_t number = 0;
  if (!name.starts_with(prefix)) return std::nullopt;
  const auto [end, error] =
      std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

// Puts a tensor where its name says; false if the name says nothing.
bool place(Case& c, Numbered& inputs, const std::string& name, const Tensor& tensor) {
  const auto numbered = [&](const char* prefix, Numbered& into) {
    const auto number = number_after(prefix, name);
    if (number) into[*number] = tensor;
    return number.has_value();
  };
  const auto named = [&](std::string_view prefix, Named& into) {
    if (name.starts_with(prefix)) into[name.substr(prefix.size())] = tensor;
    return name.starts_with(prefix);
  };
  if (name.starts_with("step.")) {
    const std::size_t dot = name.find('.', 5);
    const auto step = number_after("step.", name.substr(0, dot));
    if (!step || dot == std::string::npos) return false;
    c.steps[*step][name.substr(dot + 1)] = tensor;
    return true;
  }
  if (name == "direction.0") c.direction = tensor;
  if (name == "hvp.0") c.hvp = tensor;
  return name == "direction.0" || name == "hvp.0" || numbered("in.", inputs) ||
         numbered("out.", c.outputs) || numbered("grad_out.", c.incoming) ||
         numbered("grad_in.", c.by_input) || named("param.", c.parameters) ||
         named("grad_param.", c.by_parameter);
}

void check_complete(const Case& c, const Numbered& inputs) {
  if (!inputs.empty() && inputs.rbegin()->first + 1 != inputs.size()) {
    throw Error(
        fmt::format("there is in.{}, but not every input before it", inputs.rbegin()->first));
  }
  for (const auto& [k, gradient] : c.by_input) {
    if (!inputs.contains(k)) throw Error(fmt::format("there is grad_in.{0}, but no in.{0}", k));
    if (gradient.shape() != inputs.at(k).shape()) {
      throw Error(fmt::format("grad_in.{0} and in.{0} differ in shape", k));
    }
  }
  for (const auto& [k, gradient] : c.incoming) {
    if (!c.outputs.contains(k))
      throw Error(fmt::format("there is grad_out.{0}, but no out.{0}", k));
  }
  for (const auto& [name, gradient] : c.by_parameter) {
    if (!c.parameters.contains(name)) {
      throw Error(fmt::format("there is grad_param.{0}, but no param.{0}", name));
    }
  }
}

Case case_of(const nn::SafeTensors& file) {
  const auto metadata = [&](const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) throw Error(fmt::format("its metadata lack '{}'", key));
    return found->second;
  };
  Case c;
  c.op = metadata("op");
  c.attributes = Attributes(metadata("attrs"));
  Numbered inputs;
  for (const auto& [name, tensor] : file.tensors) {
    if (!place(c, inputs, name, tensor)) {
      throw Error(fmt::format("'{}' is no tensor of a conformance case", name));
    }
  }
  check_complete(c, inputs);
  for (const auto& [k, tensor] : inputs) c.inputs.push_back(tensor);
  return c;
}

}  // namespace

Case load_case(const std::string& path) {
  const nn::SafeTensors file = nn::load_safetensors(path);
  try {
    return case_of(file);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}.", path, error.what()));
  }
}

Case converted(Case c, DType dtype) {
  const auto convert = [dtype](Tensor& tensor) {
    if (tensor.defined() && is_floating(tensor.dtype())) tensor = to(tensor, dtype);
  };
  for (Tensor& tensor : c.inputs) convert(tensor);
  for (Numbered* const list : {&c.outputs, &c.incoming, &c.by_input}) {
    for (auto& [k, tensor] : *list) convert(tensor);
  }
  for (Named* const list : {&c.parameters, &c.by_parameter}) {
    for (auto& [name, tensor] : *list) convert(tensor);
  }
  for (auto& [k, step] : c.steps) {
    for (auto& [name, tensor] : step) convert(tensor);
  }
  convert(c.direction);
  convert(c.hvp);
  return c;
}

}  // namespace attune::conformance
