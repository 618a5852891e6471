#pragma once
// The backward pass: reverse-mode differentiation of a recorded graph.

#include <optional>
#include <span>
#include <vector>

#include "autograd/node.h"

namespace attune {

// Accumulates into the leaves' gradients the derivative of sum_k sum(outputs[k] * gradients[k]). An
// undefined gradient stands for 1, for a scalar output. When a rule throws, the leaves' gradients
// stay as they were.
void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients,
              BackwardOptions options = {}, Site site = Site::current());

struct GradOptions {
  // What comes in at the outputs; empty or undefined for scalar outputs stands for 1.
  std::vector<Tensor> gradients = {};
  bool retain_graph = false;
  // Record the derivative itself, so that it can be differentiated again. Implies retain_graph.
  bool create_graph = false;
  // Return an undefined tensor for an input that the outputs do not depend on, instead of an error.
  bool allow_unused = false;
};

// The derivative of sum_k sum(outputs[k] * gradients[k]) by each of the inputs, which may be any
// tensors of the graph. Runs only the nodes on the way to them, and touches no leaf's .grad().
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options = {}, Site site = Site::current());
Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options = {},
            Site site = Site::current());

// While one lives, every op on this thread checks what it made, forward and backward, and throws at
// the first NaN or infinity: op, scope, source line.
class [[nodiscard]] AnomalyMode {
 public:
  AnomalyMode();
  AnomalyMode(const AnomalyMode&) = delete;
  AnomalyMode& operator=(const AnomalyMode&) = delete;
  ~AnomalyMode();

 private:
  bool before_;
};
bool anomaly_mode();
// Throws if a value has an element that is not finite; `what` begins the sentence, and what went in
// and what the rule had saved end it.
void check_finite(const Tensor& value, std::string_view what, std::span<const Tensor> went_in = {},
                  std::span<const Tensor> saved = {});

// Sees a backward pass as it goes.
class BackwardObserver {
 public:
  virtual ~BackwardObserver() = default;
  // The gradients of a node's outputs are complete, its hooks have run, and its rules are next.
  virtual void running(const Node& node, std::span<const Tensor> gradients) = 0;
  // The running node, or the caller, gave this gradient to that edge.
  virtual void gave(const Edge& edge, const Tensor& gradient) = 0;
};

// One run of the engine. Nodes give it the gradients they compute.
class BackwardPass {
 public:
  explicit BackwardPass(BackwardOptions options);
  BackwardPass(const BackwardPass&) = delete;
  BackwardPass& operator=(const BackwardPass&) = delete;
  ~BackwardPass();

  // Restricts the pass to the nodes that lie between `outputs` and `inputs`, and to those not older
  // than number `oldest`: at an older one the gradient is captured before its hooks, and ends.
  void restrict_to(const std::vector<Tensor>& outputs, const std::vector<Edge>& inputs,
                   std::uint64_t oldest = 0);
  // Whether anybody needs a gradient there.
  bool wants(const Edge& edge) const;
  // Adds a gradient to what has arrived at an edge, summed down to the shape of the tensor there if
  // it is that tensor's broadcast.
  void give(const Edge& edge, Tensor gradient);
  void observe(BackwardObserver& observer) { observer_ = &observer; }
  // Runs every node that was reached, newest first.
  void run();
  // The gradient that run() saw at an input that restrict_to() was told of, by its place there.
  Tensor captured(std::size_t input) const;

 private:
  // The gradients that have arrived at a node, and the use an outer pass was making of it.
  struct Place {
    Node* node;
    std::uint64_t outer_pass;
    std::size_t outer_place;
    bool queued;
    Tensor only;              // the gradient of a node with one output, as most are
    std::vector<Tensor> all;  // the gradients of a node with several
    std::span<Tensor> gradients() { return all.empty() ? std::span(&only, 1) : std::span(all); }
  };

  // The place of a node in this pass, made at the first call.
  std::size_t place_of(Node* node);
  void enqueue(std::size_t place);
  std::size_t pop_newest();
  void run_node(std::size_t place);
  void run_rules(Node& node, std::span<Tensor> gradients);
  void leave(std::size_t place);

  BackwardOptions options_;
  BackwardObserver* observer_ = nullptr;
  std::span<const Tensor> came_in_;  // at the node whose rules are running
  std::uint64_t id_;
  bool restricted_ = false;
  std::uint64_t oldest_ = 0;
  std::vector<Place> places_;
  std::vector<std::size_t> vacant_;                          // places of nodes that have run
  std::vector<std::pair<std::uint64_t, std::size_t>> heap_;  // a node's rank and its place
  std::vector<std::pair<Edge, Tensor>> captures_;
};

}  // namespace attune
