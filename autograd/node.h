#pragma once
// A node of the recorded graph: one op that ran, the edges to the nodes that made its inputs, and
// (in the classes derived from it, see op.h) the rules that turn gradients of its outputs into
// gradients of its inputs.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
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

// An op's name, which lives as long as the program, and the source line that defines the op, where
// explain() finds its formulas. A literal converts by itself.
struct OpName {
  OpName(const char* name, Site line = Site::current()) : text(name), definition(line) {}
  const char* text;
  Site definition;
};

// A tensor that a node holds for its rules.
struct SavedTensor {
  Tensor tensor;
  bool unchanged = true;                     // since it was saved
  std::optional<std::uint32_t> output = {};  // which output of the node it is, if it is one
};

class Node : public RefCounted {
 public:
  // What the gradient of an output must look like.
  struct Output {
    Shape shape;
    DType dtype = DType::float32;
  };

  Node(const OpName& name, const Site& site);
  virtual ~Node();
  // Destroys the node, and every node that only it kept alive, one after the other: a chain of a
  // million nodes is no deeper than one.
  static void destroy(Node* node);
  static void* operator new(std::size_t bytes) { return allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) { deallocate(block, bytes); }

  const char* name() const { return name_.text; }
  const Site& definition() const { return name_.definition; }
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
  // What the rules hold through save(), once for each time it is held.
  virtual std::vector<SavedTensor> saved() const { return {}; }

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

  OpName name_;
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

// Finds what a rule saved, which is hidden in its captures: while one lives, every Saved that is
// copied on this thread is listed, so a copy of the rule lists them all.
class SavedTensors {
 public:
  SavedTensors() : outer_(std::exchange(current_, this)) {}
  SavedTensors(const SavedTensors&) = delete;
  SavedTensors& operator=(const SavedTensors&) = delete;
  ~SavedTensors() { current_ = outer_; }

  static SavedTensors* current() { return current_; }
  void add(SavedTensor saved) { found_.push_back(std::move(saved)); }
  void last_is_output(std::uint32_t output) { found_.back().output = output; }
  std::vector<SavedTensor> found() && { return std::move(found_); }

 private:
  static inline constinit thread_local SavedTensors* current_ = nullptr;

  SavedTensors* outer_;
  std::vector<SavedTensor> found_;
};

template <class Rules>
std::vector<SavedTensor> saved_by(const Rules& rules) {
  SavedTensors saved;
  if constexpr (std::is_copy_constructible_v<Rules>) Rules{rules};
  return std::move(saved).found();
}

// A tensor that a rule keeps for the backward pass. Reading it after the elements were changed in
// place, or replaced by set_data(), is an error that names the op and the change.
class Saved {
 public:
  explicit Saved(const Tensor& tensor);
  // A copy shows itself to the SavedTensors that is looking.
  Saved(const Saved& other)
      : tensor_(other.tensor_), version_(other.version_), rebound_(other.rebound_) {
    if (SavedTensors* const looking = SavedTensors::current()) looking->add({tensor_, unchanged()});
  }
  Saved(Saved&&) = default;
  Saved& operator=(const Saved&) = default;
  Saved& operator=(Saved&&) = default;
  const Tensor& operator()() const;

 private:
  bool unchanged() const {
    const TensorBody& body = tensor_.body();
    return body.rebound == rebound_ && body.storage->version() == version_;
  }

  Tensor tensor_;
  std::uint32_t version_;
  std::uint32_t rebound_;
};

// An output that its own op's rule keeps. To hold the output itself would be a cycle of references,
// so this holds the elements, and gives them their place in the graph back when they are read.
class SavedOutput {
 public:
  SavedOutput(const Tensor& value, std::uint32_t output);
  SavedOutput(const SavedOutput& other) : elements_(other.elements_), output_(other.output_) {
    if (SavedTensors* const looking = SavedTensors::current()) looking->last_is_output(output_);
  }
  SavedOutput(SavedOutput&&) = default;
  SavedOutput& operator=(const SavedOutput&) = default;
  SavedOutput& operator=(SavedOutput&&) = default;
  Tensor operator()() const;

 private:
  Saved elements_;
  std::uint32_t output_;
};

// The node whose rules are running on this thread, or null.
Node* running_node();

// Sees every op of a thread as it records itself.
class OpObserver {
 public:
  virtual ~OpObserver() = default;
  // `values` are the outputs, not yet part of the graph.
  virtual void recorded(Node& node, std::span<const Operand> inputs,
                        std::span<const Tensor> values) = 0;

  // The one that watches this thread, or null.
  static inline constinit thread_local OpObserver* current = nullptr;
};

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
Tensor attach(Tensor value, Ref<Node> node, std::uint32_t output);

}  // namespace attune
