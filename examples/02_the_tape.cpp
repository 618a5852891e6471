// What the engine remembers of a computation: a node for every op, with edges to the nodes that
// made its inputs, and the values that its derivative will need.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "autograd/allocator.h"
#include "autograd/node.h"
#include "autograd/ops.h"
#include "autograd/scope.h"

namespace {

using namespace attune;

// All nodes that the tensor was made by, the newest first: the order of the backward pass.
std::vector<Node*> nodes_behind(const Tensor& tensor) {
  std::vector<Node*> nodes{edge_to(tensor).node.get()};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const Edge& edge : nodes[i]->edges()) {
      Node* const node = edge.node.get();
      if (node && std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
    }
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const Node* a, const Node* b) { return a->number() > b->number(); });
  return nodes;
}

void print(const std::vector<Node*>& nodes) {
  const std::uint64_t first = nodes.back()->number();
  fmt::print("{:>4}  {:<9} {:<8} {:<12} from\n", "node", "op", "makes", "in scope");
  for (const Node* node : nodes) {
    std::string from;
    for (const Edge& edge : node->edges()) {
      if (edge.node) from += fmt::format(" {}", edge.node->number() - first);
    }
    fmt::print("{:>4}  {:<9} {:<8} {:<12}{}\n", node->number() - first, node->name(),
               to_string(node->output(0).shape), node->scope().path(),
               from.empty() ? " you" : from);
  }
}

}  // namespace

int main() {
  const std::int64_t before = memory_stats().live_nodes;
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}}).requires_grad_();
  const Tensor w = tensor({{0.1, -0.2, 0.3}}).requires_grad_();
  Tensor loss;
  {
    const Scope layer("layer");
    const Tensor h = tanh(matmul(x, transpose(w)));  // [2, 1]
    const Scope inner("loss");
    loss = mean(h * h);
  }
  fmt::print("loss = mean(tanh(x w')^2) leaves {} nodes:\n\n", memory_stats().live_nodes - before);
  print(nodes_behind(loss));

  fmt::print(
      "\nThe backward pass runs them from the top; what a node saved is freed as it has run.\n");
  loss.backward();
  fmt::print("x.grad() is\n{}\n\n", to_string(x.grad()));
  try {
    loss.backward();
  } catch (const Error& error) {
    fmt::print("Asked again, it says:\n{}\n\n", error.what());
  }

  // A value that a derivative needs must not be changed before it was used.
  Tensor y = tanh(x);
  const Tensor total = sum(y);
  {
    const NoGrad no_grad;
    y.mul_(2);
  }
  try {
    total.backward();
    return 1;
  } catch (const Error& error) {
    fmt::print("And where a saved value was changed in between:\n{}\n", error.what());
  }
  return 0;
}
