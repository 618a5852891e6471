#include "autograd/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "autograd/engine.h"
#include "autograd/ops.h"

namespace attune {
namespace {

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

constinit thread_local Node* running = nullptr;

// Nodes waiting to be destroyed on this thread, linked through next_waiting_. Plain pointers, so
// that they still work while the program's last static tensors die.
constinit thread_local Node* waiting = nullptr;
constinit thread_local bool destroying = false;

}  // namespace

Node::Node(const OpName& name, const Site& site)
    : name_(name), site_(site), scope_(&Scope::current()), number_(next_number()) {
  count_nodes(1);
}

Node::~Node() {
  count_nodes(-1);
}

void Node::destroy(Node* node) {
  // Destroying a node lets go of its inputs' nodes, which queue here instead of being destroyed
  // from within.
  node->next_waiting_ = std::exchange(waiting, node);
  if (destroying) return;
  destroying = true;
  while (waiting) {
    Node* const next = waiting;
    waiting = next->next_waiting_;
    delete next;
  }
  destroying = false;
}

std::string Node::describe() const {
  const std::string path = scope().path();
  return fmt::format("'{}'{}{}, called at {}", name(), path.empty() ? "" : " in ", path,
                     to_string(site_));
}

void Node::add_output(const Tensor& value) {
  Output& output = outputs_added_++ == 0 ? output_ : more_outputs_.emplace_back();
  output = {value.shape(), value.dtype()};
}

std::vector<Node::NumberedHook>& Node::hooks() {
  if (!hooks_) hooks_ = std::make_unique<std::vector<NumberedHook>>();
  return *hooks_;
}

LeafNode::LeafNode(const Tensor& tensor, const Site& site) : Node("leaf", site) {
  add_output(tensor);
}

void LeafNode::stand_for(const Tensor& tensor) {
  gradient = Tensor();
  replace_output(tensor);
}

void LeafNode::run(std::span<const Tensor> gradients, BackwardPass&) {
  const Tensor& incoming = gradients[0];
  if (!gradient.defined()) {
    // Somebody may later scale this gradient in place, so it must not share its elements.
    const TensorBody& body = *incoming.handle();
    const bool ours = body.use_count() == 1 && body.storage->use_count() == 1 && body.contiguous;
    gradient = ours ? incoming : incoming.clone();
  } else if (!grad_enabled() && owns_elements_alone(gradient)) {
    gradient.add_(incoming);
  } else {
    gradient = gradient + incoming;
  }
}

Saved::Saved(const Tensor& tensor)
    : tensor_(tensor),
      version_(tensor.body().storage->version()),
      rebound_(tensor.body().rebound) {}

const Tensor& Saved::operator()() const {
  if (unchanged()) return tensor_;
  const TensorBody& body = tensor_.body();
  const std::string reader = running ? running->describe() : "a rule outside a backward pass";
  if (body.rebound != rebound_) {
    throw Error(fmt::format(
        "backward: {} saved a tensor that set_data() gave other elements afterwards. Call "
        "set_data() before the graph is recorded, or after backward().",
        reader));
  }
  throw Error(
      fmt::format("backward: {} saved a tensor of shape {} that was changed in place afterwards, "
                  "by {} called at {}. Change a clone() of it, or change it after backward().",
                  reader, to_string(body.shape), body.storage->last_writer(),
                  to_string(body.storage->last_write())));
}

SavedOutput::SavedOutput(const Tensor& value, std::uint32_t output)
    : elements_(value.alias()), output_(output) {}

Tensor SavedOutput::operator()() const {
  const Tensor& elements = elements_();
  if (!grad_enabled() || !running) return elements;
  return attach(elements, Ref<Node>::share(running), output_);
}

Node* running_node() {
  return running;
}

RunningNode::RunningNode(Node* node) : outer_(running) {
  running = node;
}
RunningNode::~RunningNode() {
  running = outer_;
}

bool owns_elements_alone(const Tensor& tensor) {
  return tensor.handle()->use_count() == 1 && tensor.handle()->storage->use_count() == 1 &&
         tensor.is_contiguous() && !tensor.requires_grad();
}

Edge edge_to(const Tensor& tensor) {
  return {tensor.body().node, tensor.body().output};
}

Tensor attach(Tensor value, Ref<Node> node, std::uint32_t output) {
  if (value.requires_grad() || value.handle()->use_count() > 1) value = value.alias();
  value.handle()->node = std::move(node);
  value.handle()->output = output;
  return value;
}

}  // namespace attune
