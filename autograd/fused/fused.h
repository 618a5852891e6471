#pragma once
// A fused op is a kernel that exists for speed, and the composition of ordinary ops that defines
// it. The composition documents it, the tests hold the kernel against it, and it is what runs
// backward when the derivative must itself be differentiable.

#include "autograd/op.h"

namespace attune {

// The rule of a fused op. `backward(g, needs)` is the kernel's, as for jointly();
// `composition(inputs)` returns the outputs computed by ordinary ops from the tensors in `inputs`.
template <class Backward, class Composition>
auto fused_rule(const std::vector<Operand>& inputs, Backward backward, Composition composition) {
  std::vector<Saved> saved;
  for (const Operand& input : inputs) saved.push_back(save(input));
  return jointly([saved, backward, composition](std::span<const Tensor> g, const Needs& needs) {
    if (!grad_enabled()) return backward(g, needs);
    // Each input gets a node of its own, so that the derivative by one does not run on through
    // another that was computed from it.
    std::vector<Tensor> values;
    std::vector<Tensor> wanted;
    for (std::size_t i = 0; i < saved.size(); ++i) {
      values.push_back(needs[i] ? identity(saved[i]()) : saved[i]());
      if (needs[i]) wanted.push_back(values.back());
    }
    std::vector<Tensor> outputs = composition(values);
    std::vector<Tensor> reached;
    std::vector<Tensor> incoming;
    for (std::size_t k = 0; k < g.size(); ++k) {
      // An output may depend on nothing, such as the states of a sequence without a step.
      if (!g[k].defined() || !outputs[k].requires_grad()) continue;
      reached.push_back(outputs[k]);
      incoming.push_back(g[k]);
    }
    if (reached.empty()) return std::vector<Tensor>(needs.size());
    const std::vector<Tensor> found =
        grad(reached, wanted, {.gradients = incoming, .create_graph = true, .allow_unused = true});
    std::vector<Tensor> results(needs.size());
    for (std::size_t i = 0, next = 0; i < needs.size(); ++i) {
      if (needs[i]) results[i] = found[next++];
    }
    return results;
  });
}

}  // namespace attune
