#pragma once
// A node of the recorded graph: one op that ran, the edges to the nodes that made its inputs, and
// (in the classes derived from it, see op.h) the rules that turn gradients of its outputs into
// gradients of its inputs.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autograd/scope.h"
#include "autograd/tensor.h"

namespace attune {

class BackwardPass;

// Where a gradient goes: to that output of that node. The node is null for an input that needs
// none.
struct Edge {
  Ref<Node> node;
  std::uint32_t output = 0;
  friend bool operator==(const Edge& a, const Edge& b) = default;
};

class Node : public RefCounted {
 public:
  // What the gradient of an output must look like.
  struct Output {
    Shape shape;
    DType dtype = DType::float32;
  };

  Node(const char* name, const Site& site);
  virtual ~Node();
  // Destroys the node, and every node that only it kept alive, one after the other: a chain of a
  // million nodes is no deeper than one.
  static void destroy(Node* node);
  static void* operator new(std::size_t bytes) { return allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) { deallocate(block, bytes); }

  const char* name() const { return name_; }
  const Site& site() const { return site_; }
  const ScopeName& scope() const { return *scope_; }
  // Creation order over all threads. Inputs are older than what was made from them, so descending
  // numbers are an order in which a backward pass can run.
  std::uint64_t number() const { return number_; }
  // "'tanh' in encoder.attention, called at my_model.cpp:42".
  std::string describe() const;

  std::size_t output_count() const { return 1 + more_outputs_.size(); }
  const Output& output(std::size_t i) const { return i == 0 ? output_ : more_outputs_[i - 1]; }
  void add_output(const Tensor& value);

  virtual std::span<const Edge> edges() const = 0;
  // Turns the gradients of the outputs (undefined where none arrived) into gradients of the inputs,
  // and gives those to the pass.
  virtual void run(std::span<const Tensor> gradients, BackwardPass& pass) = 0;
  // Drops the rules with all they saved.
  virtual void release() = 0;
  // Whether release() has happened.
  virtual bool released() const = 0;

  struct NumberedHook {
    std::size_t number;
    std::uint32_t output;
    Tensor::Hook function;
  };
  std::vector<NumberedHook>& hooks();
  bool has_hooks() const { return hooks_ && !hooks_->empty(); }

 protected:
  void replace_output(const Tensor& value) { output_ = {value.shape(), value.dtype()}; }

 private:
  friend class BackwardPass;

  const char* name_;
  Site site_;
  const ScopeName* scope_;
  std::uint64_t number_;
  // The backward pass that is using this node, and the place it gave the node.
  std::uint64_t pass_ = 0;
  std::size_t place_ = 0;
  std::size_t outputs_added_ = 0;
  Output output_;
  std::vector<Output> more_outputs_;
  std::unique_ptr<std::vector<NumberedHook>> hooks_;
  Node* next_waiting_ = nullptr;  // to be destroyed
};

// The node of a tensor that the user made and asked gradients for. It has no inputs: here they end.
class LeafNode final : public Node {
 public:
  LeafNode(const Tensor& tensor, const Site& site);
  // Forgets the gradient, and expects one for these elements from now on.
  void stand_for(const Tensor& tensor);

  std::span<const Edge> edges() const override { return {}; }
  void run(std::span<const Tensor> gradients, BackwardPass& pass) override;
  void release() override {}
  bool released() const override { return false; }

  Tensor gradient;
};

// A tensor that a rule keeps for the backward pass. Reading it after the elements were changed in
// place, or replaced by set_data(), is an error that names the op and the change.
class Saved {
 public:
  explicit Saved(const Tensor& tensor);
  const Tensor& operator()() const;

 private:
  Tensor tensor_;
  std::uint32_t version_;
  std::uint32_t rebound_;
};

// An output that its own op's rule keeps. To hold the output itself would be a cycle of references,
// so this holds the elements, and gives them their place in the graph back when they are read.
class SavedOutput {
 public:
  SavedOutput(const Tensor& value, std::uint32_t output);
  Tensor operator()() const;

 private:
  Saved elements_;
  std::uint32_t output_;
};

// The node whose rules are running on this thread, or null.
Node* running_node();

// Names the running node for as long as it lives.
class RunningNode {
 public:
  explicit RunningNode(Node* node);
  RunningNode(const RunningNode&) = delete;
  RunningNode& operator=(const RunningNode&) = delete;
  ~RunningNode();

 private:
  Node* outer_;
};

// Whether nobody else can see this handle's elements, so that they may be changed unnoticed.
bool owns_elements_alone(const Tensor& tensor);
// The graph's side of a tensor: the edge that leads to it.
Edge edge_to(const Tensor& tensor);
// Makes `value` output number `output` of `node` (a second handle to it, if it has another
// already).
Tensor attach(Tensor value, const Ref<Node>& node, std::uint32_t output);

}  // namespace attune
