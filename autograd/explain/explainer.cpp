#include "autograd/explain/explainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "autograd/explain/formula.h"
#include "autograd/ops.h"

namespace attune {
namespace {

std::vector<std::string> names_of(const ScopeName& scope) {
  std::vector<std::string> names;
  for (const ScopeName* s = &scope; s->parent() != nullptr; s = s->parent()) {
    names.push_back(s->name());
  }
  std::reverse(names.begin(), names.end());
  return names;
}

bool is_leaf(const Node& node) {
  return node.edges().empty();
}

}  // namespace

Explainer::Explainer(const Tensor& output, const ExplainOptions& options,
                     const Recording::Notes* notes)
    : output_(output), options_(options), notes_(notes) {
  result_.title = options.title;
  collect();
  for (const Ref<Node>& node : nodes_) describe(*node);
  know_leaves();
  describe_saved();
  place_leaves();
  if (options.backward) run_backward();
}

const Recording::Notes* Explainer::current_notes() {
  return dynamic_cast<const Recording::Notes*>(OpObserver::current);
}

void Explainer::collect() {
  std::set<const Node*> seen;
  nodes_.push_back(edge_to(output_).node);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Ref<Node> node = nodes_[i];
    for (const Edge& edge : node->edges()) {
      if (edge.node && seen.insert(edge.node.get()).second) nodes_.push_back(edge.node);
    }
  }
  std::sort(nodes_.begin(), nodes_.end(),
            [](const Ref<Node>& a, const Ref<Node>& b) { return a->number() < b->number(); });
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    places_[nodes_[i].get()] = i;
    by_number_[nodes_[i]->number()] = i;
  }
}

std::size_t Explainer::place_of(const Node* node) const {
  const auto found = places_.find(node);
  return found == places_.end() ? Explanation::none : found->second;
}

std::size_t Explainer::formula_of(const Node& node) {
  if (is_leaf(node)) return Explanation::none;
  const Site& at = node.definition();
  const auto [found, is_new] = formulas_.try_emplace(
      {at.file_name(), at.line(), at.column(), node.name()}, Explanation::none);
  if (!is_new) return found->second;
  if (auto formula = formula_at(at, node.name())) {
    found->second = result_.formulas.size();
    result_.formulas.push_back(std::move(*formula));
  }
  return found->second;
}

void Explainer::describe(const Node& node) {
  Explanation::Node described;
  described.number = node.number();
  described.op = node.name();
  described.scope = names_of(node.scope());
  described.site = to_string(node.site());
  described.line = statement_at(source_of(node.site()), node.site().line());
  described.formula = formula_of(node);
  for (std::size_t k = 0; k < node.output_count(); ++k) {
    described.outputs.push_back({node.output(k).shape, node.output(k).dtype, {}, {}, {}, {}});
  }
  if (const Recording::Notes::Note* const note = notes_ ? notes_->of(node) : nullptr) {
    described.forward = note->seconds;
    for (std::size_t k = 0; k < note->values.size(); ++k) {
      described.outputs[k].value = note->values[k].statistics;
      described.outputs[k].elements = note->values[k].elements;
    }
  }
  describe_inputs(node, described);
  result_.nodes.push_back(std::move(described));
}

void Explainer::describe_inputs(const Node& node, Explanation::Node& described) const {
  if (const Recording::Notes::Note* const note = notes_ ? notes_->of(node) : nullptr) {
    for (const auto& [number, output, shape, dtype] : note->inputs) {
      const auto made_by = by_number_.find(number);
      const std::size_t place = made_by == by_number_.end() ? Explanation::none : made_by->second;
      described.inputs.push_back({place, output, shape, dtype, {}});
    }
    return;
  }
  for (const Edge& edge : node.edges()) {
    if (!edge.node) continue;
    const Node::Output& from = edge.node->output(edge.output);
    described.inputs.push_back(
        {place_of(edge.node.get()), edge.output, from.shape, from.dtype, {}});
  }
}

void Explainer::know_value(const Node& node, std::uint32_t output, const Tensor& value) {
  const std::size_t place = place_of(&node);
  if (place == Explanation::none) return;
  Explanation::Value& known = result_.nodes[place].outputs[output];
  if (known.value || known.shape != value.shape()) return;
  known.value = statistics_of(value);
  known.elements = shown_elements(value);
}

void Explainer::know_leaves() {
  const auto know = [&](const Tensor& tensor) {
    if (!tensor.defined() || !tensor.requires_grad()) return Explanation::none;
    const Edge edge = edge_to(tensor);
    know_value(*edge.node, edge.output, tensor);
    if (is_leaf(*edge.node)) leaf_elements_.push_back(tensor.handle()->storage);
    return place_of(edge.node.get());
  };
  know(output_);
  for (const auto& [name, tensor] : options_.names) {
    const std::size_t place = know(tensor);
    if (place != Explanation::none) result_.nodes[place].label = name;
  }
  if (notes_) {
    for (const auto& [number, tensor] : notes_->leaves()) know(tensor);
  }
  // Whoever saved a leaf holds its value.
  for (const Ref<Node>& node : nodes_) {
    for (const SavedTensor& saved : node->saved()) {
      if (saved.unchanged) know(saved.tensor);
    }
  }
  for (const Explanation::Node& node : result_.nodes) {
    if (node.op == "leaf") result_.parameters += numel(node.outputs[0].shape);
  }
}

void Explainer::describe_saved() {
  std::set<const Storage*> counted;
  for (const Ref<Storage>& elements : leaf_elements_) counted.insert(elements.get());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    for (const SavedTensor& saved : nodes_[i]->saved()) {
      const Tensor& tensor = saved.tensor;
      Explanation::Saved described{tensor.shape(), tensor.dtype()};
      described.bytes = tensor.numel() * static_cast<std::int64_t>(item_size(tensor.dtype()));
      described.node = saved.output ? i : place_of(edge_to(tensor).node.get());
      described.counted = counted.insert(tensor.handle()->storage.get()).second;
      if (described.counted) result_.nodes[i].saved_bytes += described.bytes;
      if (saved.unchanged && saved.output) know_value(*nodes_[i], *saved.output, tensor);
      result_.nodes[i].saved.push_back(std::move(described));
    }
  }
}

// A leaf is shown where it is used: in the innermost scope that holds all its uses. Where many are
// used in several scopes, such as the steps of a decoder, they get a scope of their own.
void Explainer::place_leaves() {
  constexpr std::size_t many = 5;
  std::vector<bool> placed(result_.nodes.size());
  std::set<std::size_t> shared;
  for (const Explanation::Node& node : result_.nodes) {
    for (const Explanation::Input& input : node.inputs) {
      if (input.node == Explanation::none || result_.nodes[input.node].op != "leaf") continue;
      std::vector<std::string>& scope = result_.nodes[input.node].scope;
      if (!placed[input.node]) {
        scope = node.scope;
      } else {
        const auto end =
            std::mismatch(scope.begin(), scope.end(), node.scope.begin(), node.scope.end());
        if (end.first != scope.end() || end.second != node.scope.end()) shared.insert(input.node);
        scope.erase(end.first, scope.end());
      }
      placed[input.node] = true;
    }
  }
  std::map<std::vector<std::string>, std::vector<std::size_t>> by_scope;
  for (const std::size_t place : shared) by_scope[result_.nodes[place].scope].push_back(place);
  for (const auto& [scope, places] : by_scope) {
    if (places.size() < many) continue;
    for (const std::size_t place : places) {
      result_.nodes[place].scope.emplace_back("shared parameters");
    }
  }
}

// Notes which nodes run, for how long, and with which gradients.
class Explainer::Tracer final : public BackwardObserver {
 public:
  explicit Tracer(Explainer& explainer) : explainer_(explainer), result_(explainer.result_) {}

  void running(const Node& node, std::span<const Tensor> gradients) override {
    stop();
    const std::size_t place = explainer_.place_of(&node);
    result_.backward.push_back(place);
    for (std::size_t k = 0; k < gradients.size(); ++k) {
      if (!gradients[k].defined()) continue;
      Explanation::Value& output = result_.nodes[place].outputs[k];
      output.gradient = statistics_of(gradients[k]);
      output.gradient_elements = shown_elements(gradients[k]);
    }
    watch_.resume();
  }

  void gave(const Edge& edge, const Tensor& gradient) override {
    stop();
    if (!result_.backward.empty()) {
      const std::size_t to = explainer_.place_of(edge.node.get());
      auto& inputs = result_.nodes[result_.backward.back()].inputs;
      const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const auto& candidate) {
        return candidate.node == to && candidate.output == edge.output && !candidate.gradient;
      });
      if (input != inputs.end()) input->gradient = statistics_of(gradient);
    }
    watch_.resume();
  }

  // Adds the time since the watch was resumed to the node that has been running.
  void stop() {
    const double seconds = watch_.pause();
    if (result_.backward.empty()) return;
    std::optional<double>& total = result_.nodes[result_.backward.back()].backward;
    total = total.value_or(0) + seconds;
  }

 private:
  Explainer& explainer_;
  Explanation& result_;
  Stopwatch watch_;
};

void Explainer::run_backward() {
  const bool used = std::any_of(nodes_.begin(), nodes_.end(),
                                [](const Ref<Node>& node) { return node->released(); });
  if (used) {
    result_.note =
        "A backward pass has used this graph and freed what it saved, so there are no gradients to "
        "show. Pass {.retain_graph = true} to it, or explain before it.";
    return;
  }
  std::vector<Edge> leaves;
  for (const Ref<Node>& node : nodes_) {
    if (is_leaf(*node)) leaves.push_back({node, 0});
  }
  Tracer tracer(*this);
  try {
    BackwardPass pass({.retain_graph = true});
    pass.observe(tracer);
    // Up to the leaves, not into them: their .grad() is not ours to change.
    pass.restrict_to({output_}, leaves);
    pass.give(edge_to(output_), ones(output_.shape(), output_.dtype()));
    pass.run();
  } catch (const Error& error) {
    result_.note = fmt::format("The backward pass failed. {}", error.what());
  }
  tracer.stop();
}

void Explainer::add_checks(const Checks& checks, const std::string& problem) {
  for (std::size_t i = 0; i < std::min(checks.size(), notes_->order().size()); ++i) {
    const auto place = by_number_.find(notes_->order()[i]);
    if (place != by_number_.end()) result_.nodes[place->second].checks = checks[i];
  }
  if (!problem.empty()) result_.note += (result_.note.empty() ? "" : " ") + problem;
}

}  // namespace attune
