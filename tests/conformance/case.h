#pragma once
// A conformance case: what another implementation computed, read from a file. README.md beside this
// file describes the format.

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "autograd/tensor.h"

namespace attune::conformance {

// The arguments of an op that are no tensors. null counts as absent; a number may also be written
// as Infinity, -Infinity or NaN, as Python's json does. Errors name the attribute.
class Attributes {
 public:
  explicit Attributes(const std::string& text = "{}");

  bool has(const std::string& name) const;
  // Without a fallback it is an Error if the attribute is absent.
  std::int64_t integer(const std::string& name, std::optional<std::int64_t> fallback = {}) const;
  double number(const std::string& name, std::optional<double> fallback = {}) const;
  bool flag(const std::string& name, std::optional<bool> fallback = {}) const;
  std::string text(const std::string& name, std::optional<std::string> fallback = {}) const;
  // A list, or one integer as a list of one; empty if absent.
  std::vector<std::int64_t> integers(const std::string& name) const;
  std::vector<double> numbers(const std::string& name, std::vector<double> fallback) const;

 private:
  const nlohmann::json& at(const std::string& name) const;
  nlohmann::json values_;
};

using Numbered = std::map<std::size_t, Tensor>;
using Named = std::map<std::string, Tensor>;

struct Case {
  std::string op;
  Attributes attributes;
  std::vector<Tensor> inputs;          // in.0, in.1, ...
  Named parameters;                    // param.NAME
  Numbered outputs;                    // out.K
  Numbered incoming;                   // grad_out.K
  Numbered by_input;                   // grad_in.K
  Named by_parameter;                  // grad_param.NAME
  std::map<std::size_t, Named> steps;  // step.K.NAME
  Tensor direction, hvp;               // direction.0, hvp.0
};

// Error, beginning with the path, when the file is no such case.
Case load_case(const std::string& path);
// The same with every floating tensor of that dtype.
Case converted(Case c, DType dtype);

}  // namespace attune::conformance
