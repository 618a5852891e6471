// checkpoint(): memory for time. The forward pass is recorded only to learn which tensors of the
// outer graph it reads; the backward pass records it again and differentiates that.

#include <algorithm>
#include <unordered_set>

#include "autograd/functional.h"
#include "autograd/op.h"
#include "autograd/random.h"

namespace attune {
namespace {

// The number of a node made now: all that f makes afterwards is newer.
std::uint64_t number_now() {
  return empty({}).requires_grad_().handle()->node->number();
}

Tensors differentiable(const Tensors& tensors) {
  Tensors result;
  for (const Tensor& tensor : tensors) {
    if (tensor.requires_grad()) result.push_back(tensor);
  }
  return result;
}

// The edges by which the graph behind `outputs` enters nodes older than `begin`.
std::vector<Edge> edges_across(const Tensors& outputs, std::uint64_t begin) {
  std::vector<Edge> across;
  std::vector<const Node*> waiting;
  std::unordered_set<const Node*> seen;
  const auto follow = [&](const Edge& edge) {
    if (!edge.node) return;
    if (edge.node->number() >= begin) {
      if (seen.insert(edge.node.get()).second) waiting.push_back(edge.node.get());
    } else if (std::find(across.begin(), across.end(), edge) == across.end()) {
      across.push_back(edge);
    }
  };
  for (const Tensor& output : differentiable(outputs)) follow(edge_to(output));
  while (!waiting.empty()) {
    const Node* const node = waiting.back();
    waiting.pop_back();
    for (const Edge& edge : node->edges()) follow(edge);
  }
  return across;
}

// Sets the default generator back for as long as it lives.
class Rewound {
 public:
  explicit Rewound(const Generator& to) : now_(std::exchange(default_generator(), to)) {}
  Rewound(const Rewound&) = delete;
  Rewound& operator=(const Rewound&) = delete;
  ~Rewound() { default_generator() = now_; }

 private:
  Generator now_;
};

class CheckpointNode final : public Node {
 public:
  CheckpointNode(const Site& site, const TensorFunction& f, const Tensors& inputs,
                 const Generator& generator, std::vector<Edge> edges)
      : Node("checkpoint", site), edges_(std::move(edges)), segment_({f, generator, {}}) {
    for (const Tensor& input : inputs) segment_->inputs.push_back(save(input));
  }

  std::span<const Edge> edges() const override { return edges_; }
  void run(std::span<const Tensor> gradients, BackwardPass& pass) override {
    const Tensors results = differentiate(gradients);
    for (std::size_t i = 0; i < edges_.size(); ++i) pass.give(edges_[i], results[i]);
  }
  void release() override { segment_.reset(); }
  bool released() const override { return !segment_; }
  std::vector<SavedTensor> saved() const override { return saved_by(segment_); }

 private:
  struct Segment {
    TensorFunction f;
    Generator generator;
    std::vector<Saved> inputs;
  };

  // The gradients at the edges, by a pass of its own: when it ends the nodes there are the outer
  // pass's again.
  Tensors differentiate(std::span<const Tensor> gradients) const {
    const std::uint64_t begin = number_now();
    const Tensors outputs = recomputed();
    BackwardPass inner({.create_graph = grad_enabled()});
    inner.restrict_to(differentiable(outputs), edges_, begin);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      if (outputs[k].requires_grad()) inner.give(edge_to(outputs[k]), gradients[k]);
    }
    inner.run();
    Tensors results;
    for (std::size_t i = 0; i < edges_.size(); ++i) results.push_back(inner.captured(i));
    return results;
  }

  Tensors recomputed() const {
    const Rewound random(segment_->generator);
    const EnableGrad recording;
    Tensors inputs;
    for (const Saved& input : segment_->inputs) inputs.push_back(input());
    return segment_->f(inputs);
  }

  std::vector<Edge> edges_;
  std::optional<Segment> segment_;
};

}  // namespace

Tensors checkpoint(const TensorFunction& f, const Tensors& inputs, Site site) {
  if (!grad_enabled()) return f(inputs);
  const Generator before = default_generator();
  const std::uint64_t begin = number_now();
  Tensors values = f(inputs);
  std::vector<Edge> edges = edges_across(values, begin);
  if (edges.empty()) return values;
  const auto node = Ref<Node>::adopt(new CheckpointNode(site, f, inputs, before, std::move(edges)));
  std::uint32_t number = 0;
  for (Tensor& value : values) {
    const bool differentiable = value.requires_grad();
    value = value.detach();
    node->add_output(value);
    if (differentiable) value = attach(std::move(value), node, number);
    ++number;
  }
  return values;
}

}  // namespace attune
