#include "autograd/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <iterator>

#include "autograd/ops.h"

namespace attune {

namespace {

void check_replacement(const Tensor& gradient, const Node& node, const Node::Output& wanted) {
  if (gradient.shape() == wanted.shape && gradient.dtype() == wanted.dtype) return;
  throw Error(fmt::format(
      "backward: a hook on the result of {} returned {} {}, and the gradient it replaces is {} {}. "
      "Return a tensor like the one that was passed in, or an undefined one to leave it.",
      node.describe(), name(gradient.dtype()), to_string(gradient.shape()), name(wanted.dtype),
      to_string(wanted.shape)));
}

void call_hooks(Node& node, std::span<Tensor> gradients) {
  // A copy, for a hook may remove itself.
  const std::vector<Node::NumberedHook> hooks = node.hooks();
  for (const auto& hook : hooks) {
    Tensor& gradient = gradients[hook.output];
    if (!gradient.defined()) continue;
    Tensor replacement = hook.function(gradient);
    if (!replacement.defined()) continue;
    check_replacement(replacement, node, node.output(hook.output));
    gradient = std::move(replacement);
  }
}

}  // namespace

// The whole engine: take the newest node that gradients have reached, run its rules, hand what they
// return to the nodes of its inputs. Every node that uses a tensor is newer than the one that made
// it, so when a node's turn comes all of its gradient is there.
void BackwardPass::run() {
  const GradMode mode(options_.create_graph);
  while (!heap_.empty()) run_node(pop_newest());
}

void BackwardPass::run_node(std::size_t index) {
  Node& node = *places_[index].node;
  Place place = std::move(places_[index]);
  if (!restricted_) leave(index);
  run_rules(node, place.gradients());
}

void BackwardPass::run_rules(Node& node, std::span<Tensor> gradients) {
  const RunningNode running(&node);
  const Scope scope(&node.scope());
  const bool ends_here = node.number() < oldest_;
  if (node.has_hooks() && !ends_here) call_hooks(node, gradients);
  if (observer_) observer_->running(node, gradients);
  for (auto& [edge, gradient] : captures_) {
    if (edge.node.get() == &node) gradient = gradients[edge.output];
  }
  if (ends_here) return;
  const auto wanted = [&](const Edge& edge) { return wants(edge); };
  if (restricted_ && std::none_of(node.edges().begin(), node.edges().end(), wanted)) return;
  if (node.released()) {
    throw Error(fmt::format(
        "backward: the graph through {} has been used already, and what it saved was freed. Pass "
        "{{.retain_graph = true}} to the earlier backward().",
        node.describe()));
  }
  came_in_ = gradients;
  node.run(gradients, *this);
  if (!options_.retain_graph) node.release();
}

namespace {

void accumulate(Tensor& sum, Tensor gradient) {
  if (!grad_enabled() && owns_elements_alone(sum)) {
    sum.add_(gradient);
  } else if (!grad_enabled() && owns_elements_alone(gradient)) {
    sum = std::move(gradient.add_(sum));
  } else {
    sum = sum + gradient;
  }
}

// Brings a gradient to the shape of the tensor it belongs to, or says whose rule is wrong.
Tensor fit(const Tensor& gradient, const Node::Output& wanted) {
  const bool fits = broadcasts_to(wanted.shape, gradient.shape());
  if (!fits || gradient.dtype() != wanted.dtype) {
    const Node* const node = running_node();
    throw Error(fmt::format(
        "backward: a gradient of shape {} and dtype {} came from {}, for a tensor of shape {} and "
        "dtype {}. The rule must return the shape of that input, or one it broadcasts to.",
        to_string(gradient.shape()), name(gradient.dtype()), node ? node->describe() : "the caller",
        to_string(wanted.shape), name(wanted.dtype)));
  }
  return sum_to(gradient, wanted.shape);
}

}  // namespace

void BackwardPass::give(const Edge& edge, Tensor gradient) {
  if (!gradient.defined() || !wants(edge)) return;
  if (anomaly_mode() && running_node()) {
    std::vector<Tensor> saved;
    for (SavedTensor& one : running_node()->saved()) saved.push_back(std::move(one.tensor));
    check_finite(gradient, "backward: the gradient made by " + running_node()->describe(), came_in_,
                 saved);
  }
  const Node::Output& wanted = edge.node->output(edge.output);
  if (gradient.shape() != wanted.shape || gradient.dtype() != wanted.dtype) {
    gradient = fit(gradient, wanted);
  }
  if (observer_) observer_->gave(edge, gradient);
  const std::size_t place = place_of(edge.node.get());
  Tensor& sum = places_[place].gradients()[edge.output];
  if (sum.defined()) {
    accumulate(sum, std::move(gradient));
  } else {
    sum = std::move(gradient);
  }
  if (!places_[place].queued) enqueue(place);
}

bool BackwardPass::wants(const Edge& edge) const {
  return edge.node && (!restricted_ || edge.node->pass_ == id_);
}

namespace {

std::uint64_t next_pass() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

}  // namespace

BackwardPass::BackwardPass(BackwardOptions options) : options_(options), id_(next_pass()) {
  options_.retain_graph |= options_.create_graph;
}

BackwardPass::~BackwardPass() {
  for (std::size_t place = 0; place < places_.size(); ++place) {
    if (places_[place].node) leave(place);
  }
}

std::size_t BackwardPass::place_of(Node* node) {
  if (node->pass_ == id_) return node->place_;
  if (vacant_.empty()) {
    vacant_.push_back(places_.size());
    places_.emplace_back();
  }
  const std::size_t place = vacant_.back();
  vacant_.pop_back();
  // Its gradients were moved out when the node before ran.
  Place& taken = places_[place];
  taken.node = node;
  taken.outer_pass = node->pass_;
  taken.outer_place = node->place_;
  taken.queued = false;
  if (node->output_count() > 1) taken.all.resize(node->output_count());
  node->pass_ = id_;
  node->place_ = place;
  return place;
}

// Gives the node back to the outer pass, if there is one: a hook may start a pass of its own over
// nodes that are in use already.
void BackwardPass::leave(std::size_t place) {
  Node* const node = std::exchange(places_[place].node, nullptr);
  node->pass_ = places_[place].outer_pass;
  node->place_ = places_[place].outer_place;
  vacant_.push_back(place);
}

void BackwardPass::enqueue(std::size_t place) {
  places_[place].queued = true;
  const Node& node = *places_[place].node;
  // Leaves come after all others: when a rule throws, no gradient has been accumulated.
  const std::uint64_t before_leaves = node.edges().empty() ? 0 : std::uint64_t{1} << 63;
  heap_.emplace_back(node.number() | before_leaves, place);
  std::push_heap(heap_.begin(), heap_.end());
}

std::size_t BackwardPass::pop_newest() {
  std::pop_heap(heap_.begin(), heap_.end());
  const std::size_t place = heap_.back().second;
  heap_.pop_back();
  return place;
}

void BackwardPass::restrict_to(const std::vector<Tensor>& outputs, const std::vector<Edge>& inputs,
                               std::uint64_t oldest) {
  std::vector<Node*> reached;
  {
    // Visiting marks nodes as belonging to a pass of its own, which gives them back at the end.
    BackwardPass visit({});
    for (const Tensor& output : outputs) visit.place_of(output.handle()->node.get());
    for (std::size_t i = 0; i < visit.places_.size(); ++i) {
      reached.push_back(visit.places_[i].node);
      for (const Edge& edge : visit.places_[i].node->edges()) {
        if (edge.node && edge.node->number() >= oldest) visit.place_of(edge.node.get());
      }
    }
  }
  restricted_ = true;
  oldest_ = oldest;
  for (const Edge& input : inputs) {
    captures_.emplace_back(input, Tensor());
    place_of(input.node.get());
  }
  // Oldest first: a node is on the way if one of its inputs is.
  std::sort(reached.begin(), reached.end(),
            [](const Node* a, const Node* b) { return a->number() < b->number(); });
  for (Node* const node : reached) {
    const auto on_the_way = [&](const Edge& edge) { return wants(edge); };
    if (std::any_of(node->edges().begin(), node->edges().end(), on_the_way)) place_of(node);
  }
}

Tensor BackwardPass::captured(std::size_t input) const {
  return captures_[input].second;
}

namespace {

// The gradient that comes in at an output: the one given, or 1 for a scalar.
Tensor incoming(const Tensor& output, const Tensor& gradient, const char* caller,
                const Site& site) {
  if (!output.requires_grad()) {
    misuse(caller, site, "the output depends on nothing that requires a gradient",
           "Call requires_grad_() on what you differentiate by, and compute outside NoGrad.");
  }
  if (!gradient.defined()) {
    if (output.numel() != 1) {
      misuse(caller, site,
             fmt::format("only a scalar has a gradient of its own, and this output has shape {}",
                         to_string(output.shape())),
             "Reduce it with sum() or mean(), or pass the gradient that comes in.");
    }
    return ones(output.shape(), output.dtype());
  }
  if (gradient.shape() != output.shape() || gradient.dtype() != output.dtype()) {
    misuse(
        caller, site,
        fmt::format("the gradient passed in is {} {}, the output {} {}", name(gradient.dtype()),
                    to_string(gradient.shape()), name(output.dtype()), to_string(output.shape())));
  }
  return gradient;
}

void start(BackwardPass& pass, const std::vector<Tensor>& outputs,
           const std::vector<Tensor>& gradients, const char* caller, const Site& site) {
  if (!gradients.empty() && gradients.size() != outputs.size()) {
    misuse(caller, site,
           fmt::format("{} outputs but {} gradients", outputs.size(), gradients.size()));
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Tensor gradient =
        incoming(outputs[i], gradients.empty() ? Tensor() : gradients[i], caller, site);
    pass.give(edge_to(outputs[i]), std::move(gradient));
  }
}

}  // namespace

void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients,
              BackwardOptions options, Site site) {
  BackwardPass pass(options);
  start(pass, outputs, gradients, "backward", site);
  pass.run();
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options, Site site) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].requires_grad()) {
      misuse("grad", site, fmt::format("input {} does not require a gradient", i),
             "Call requires_grad_() on it before computing the output.");
    }
  }
  for (const Tensor& output : outputs) incoming(output, output.detach(), "grad", site);
  BackwardPass pass({options.retain_graph, options.create_graph});
  std::vector<Edge> ends;
  for (const Tensor& input : inputs) ends.push_back(edge_to(input));
  pass.restrict_to(outputs, ends);
  start(pass, outputs, options.gradients, "grad", site);
  pass.run();
  std::vector<Tensor> results;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    results.push_back(pass.captured(i));
    if (!results.back().defined() && !options.allow_unused) {
      misuse("grad", site, fmt::format("the outputs do not depend on input {}", i),
             "Pass {.allow_unused = true} to get an undefined tensor for it.");
    }
  }
  return results;
}

Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options, Site site) {
  return grad(std::vector{output}, std::vector{input}, options, site).front();
}

namespace {

constinit thread_local bool watching = false;

}  // namespace

AnomalyMode::AnomalyMode() : before_(watching) {
  watching = true;
}
AnomalyMode::~AnomalyMode() {
  watching = before_;
}
bool anomaly_mode() {
  return watching;
}

namespace {

// "[2, 3] from -1 to 2 (0 there)": what a tensor holds, and at which place, if it has that place.
std::string contents(const Tensor& tensor, const Shape& of_place, std::size_t place) {
  std::string text = to_string(tensor.shape());
  if (!is_floating(tensor.dtype()) || tensor.numel() == 0) return text;
  const std::vector<double> elements = tensor.detach().to_vector<double>();
  std::vector<double> finite;
  std::copy_if(elements.begin(), elements.end(), std::back_inserter(finite),
               [](double element) { return std::isfinite(element); });
  if (elements.size() == 1) return fmt::format("{} {:.4g}", text, elements[0]);
  if (!finite.empty()) {
    const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
    text += fmt::format(" from {:.4g} to {:.4g}", *low, *high);
  }
  if (finite.size() < elements.size()) {
    text += fmt::format(", {} not finite", elements.size() - finite.size());
  }
  if (tensor.shape() == of_place) text += fmt::format(" ({:.4g} there)", elements[place]);
  return text;
}

// A sentence about the contents of all `tensors`; empty if there are none.
std::string tell(const char* begin, std::span<const Tensor> tensors, const Shape& of_place,
                 std::size_t place) {
  std::string text;
  for (const Tensor& tensor : tensors) {
    if (!tensor.defined()) continue;
    text += text.empty() ? begin : ", ";
    text += contents(tensor, of_place, place);
  }
  return text.empty() ? "" : text + ".";
}

}  // namespace

void check_finite(const Tensor& value, std::string_view what, std::span<const Tensor> went_in,
                  std::span<const Tensor> saved) {
  if (!value.defined() || !is_floating(value.dtype())) return;
  const std::vector<double> elements = value.detach().to_vector<double>();
  const auto bad = std::find_if_not(elements.begin(), elements.end(),
                                    [](double element) { return std::isfinite(element); });
  if (bad == elements.end()) return;
  const auto place = static_cast<std::size_t>(bad - elements.begin());
  // The sign of a NaN says nothing.
  throw Error(fmt::format("{} is {} at element {} of {} (shape {}).{}{}", what,
                          std::isnan(*bad) ? "nan" : fmt::format("{}", *bad), place,
                          elements.size(), to_string(value.shape()),
                          tell(" What went in: ", went_in, value.shape(), place),
                          tell(" What had been saved: ", saved, value.shape(), place)));
}

}  // namespace attune
