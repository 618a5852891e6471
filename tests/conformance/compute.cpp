#include "tests/conformance/compute.h"

#include <fmt/format.h>

#include "autograd/engine.h"
#include "tests/conformance/functions.h"
#include "tests/conformance/optimisers.h"

namespace attune::conformance {

const Tensor& Arguments::input(std::size_t k) const {
  if (k >= inputs.size()) throw Error(fmt::format("there is no in.{}", k));
  return inputs[k];
}

const Functions& functions() {
  static const Functions all = [] {
    Functions joined;
    for (Functions family :
         {elementwise(), reductions(), shapes(), normalisations(), attentions(), layers()}) {
      joined.merge(family);
    }
    return joined;
  }();
  return all;
}

namespace {

constexpr std::string_view second_order = "second_order.";

Tensor leaf(const Tensor& values) {
  return values.clone().requires_grad_();
}

// The gradients of sum_k sum(outputs[k] incoming[k]), zero for what the outputs do not depend on.
std::vector<Tensor> gradients(const std::vector<Tensor>& outputs, const Numbered& incoming,
                              const std::vector<Tensor>& inputs, bool create_graph = false) {
  std::vector<Tensor> reached;
  GradOptions options{.create_graph = create_graph, .allow_unused = true};
  for (const auto& [k, gradient] : incoming) {
    if (!outputs[k].requires_grad()) continue;
    reached.push_back(outputs[k]);
    options.gradients.push_back(gradient);
  }
  std::vector<Tensor> found(inputs.size());
  if (!reached.empty() && !inputs.empty()) found = grad(reached, inputs, options);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i].defined()) found[i] = zeros(inputs[i].shape(), inputs[i].dtype());
  }
  return found;
}

// Outputs of other shapes than those of the case are an Error, for no gradient fits them.
void check_outputs(const std::vector<Tensor>& ours, const Numbered& theirs) {
  for (const auto& [k, tensor] : theirs) {
    if (k >= ours.size()) {
      throw Error(fmt::format("there is out.{}, but attune gives {} outputs", k, ours.size()));
    }
    if (ours[k].shape() != tensor.shape()) {
      throw Error(fmt::format("out.{} has shape {}, not {}", k, to_string(ours[k].shape()),
                              to_string(tensor.shape())));
    }
  }
}

std::vector<Comparison> compute_function(const Case& c, Function function) {
  std::vector<Comparison> comparisons;
  std::vector<Tensor> inputs = c.inputs;
  std::vector<Tensor> wanted;
  for (const auto& [k, theirs] : c.by_input) {
    wanted.push_back(inputs[k] = leaf(inputs[k]));
    comparisons.push_back({fmt::format("grad_in.{}", k), {}, theirs});
  }
  const Results results = function({inputs, c.parameters, c.attributes});
  const Named parameters(results.parameters.begin(), results.parameters.end());
  for (const auto& [name, theirs] : c.by_parameter) {
    if (!parameters.contains(name)) throw Error(fmt::format("it has no parameter '{}'", name));
    wanted.push_back(parameters.at(name));
    comparisons.push_back({"grad_param." + name, {}, theirs});
  }
  check_outputs(results.outputs, c.outputs);
  const std::vector<Tensor> found = gradients(results.outputs, c.incoming, wanted);
  for (std::size_t i = 0; i < found.size(); ++i) comparisons[i].ours = found[i];
  for (const auto& [k, theirs] : c.outputs) {
    comparisons.push_back({fmt::format("out.{}", k), results.outputs[k], theirs});
  }
  return comparisons;
}

std::vector<Comparison> compute_second_order(const Case& c, Function function) {
  if (c.inputs.empty() || !c.direction.defined() || !c.hvp.defined()) {
    throw Error("a case of second order has in.0, direction.0 and hvp.0");
  }
  std::vector<Tensor> inputs = c.inputs;
  inputs[0] = leaf(inputs[0]);
  const bool by_default_all = c.op == "second_order.logsumexp" && !c.attributes.has("dim");
  const Attributes attributes = by_default_all ? Attributes(R"({"dim": [-1]})") : c.attributes;
  const std::vector<Tensor> outputs = function({inputs, c.parameters, attributes}).outputs;
  check_outputs(outputs, c.outputs);
  const Tensor g = gradients(outputs, c.incoming, {inputs[0]}, true)[0];
  const Tensor hvp = gradients({g}, {{0, c.direction}}, {inputs[0]})[0];
  std::vector<Comparison> comparisons{{"hvp.0", hvp, c.hvp}};
  if (c.by_input.contains(0)) comparisons.push_back({"grad_in.0", g, c.by_input.at(0)});
  if (c.outputs.contains(0)) comparisons.push_back({"out.0", outputs[0], c.outputs.at(0)});
  return comparisons;
}

// How many steps come before the one numbered 0: none, unless that one has moved the parameters.
std::size_t steps_before_0(const Case& c) {
  if (!c.steps.contains(0) || !c.steps.at(0).contains("w")) return 0;
  const auto start = c.parameters.at("w").to_vector<double>();
  return c.steps.at(0).at("w").to_vector<double>() == start ? 0 : 1;
}

std::vector<Comparison> compute_optimiser(const Case& c, Optimiser optimiser) {
  if (c.inputs.size() != 2 || !c.parameters.contains("w") || !c.parameters.contains("b")) {
    throw Error("a case of an optimiser has in.0, in.1, param.w and param.b");
  }
  Tensor w = leaf(c.parameters.at("w"));
  Tensor b = leaf(c.parameters.at("b"));
  const std::function<void()> step = optimiser({w, b}, c.attributes);
  std::vector<Comparison> comparisons;
  const std::size_t first = steps_before_0(c);
  std::size_t taken = 0;
  for (const auto& [number, theirs] : c.steps) {
    for (; taken < number + first; ++taken) {
      w.zero_grad();
      b.zero_grad();
      mean(square(tanh(matmul(c.inputs[0], w) + b) - c.inputs[1])).backward();
      step();
    }
    for (const auto& [name, tensor] : theirs) {
      if (name != "w" && name != "b") throw Error(fmt::format("it has no parameter '{}'", name));
      const Tensor ours = (name == "w" ? w : b).detach().clone();
      comparisons.push_back({fmt::format("step.{}.{}", number, name), ours, tensor});
    }
  }
  return comparisons;
}

std::string without_prefix(const std::string& op) {
  return op.starts_with(second_order) ? op.substr(second_order.size()) : op;
}

}  // namespace

bool is_known(const std::string& op) {
  return optimisers().contains(op) || functions().contains(without_prefix(op));
}

std::vector<Comparison> compute(const Case& c) {
  if (!is_known(c.op)) throw Error(fmt::format("'{}' is no op that attune knows", c.op));
  if (optimisers().contains(c.op)) return compute_optimiser(c, optimisers().at(c.op));
  const Function function = functions().at(without_prefix(c.op));
  return c.op.starts_with(second_order) ? compute_second_order(c, function)
                                        : compute_function(c, function);
}

}  // namespace attune::conformance
