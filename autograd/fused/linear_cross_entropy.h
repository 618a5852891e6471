#pragma once
// A linear layer and the cross-entropy of what it says, as one op: for a large vocabulary the
// logits and their gradient are most of what a training step holds in memory.

#include "autograd/tensor.h"

namespace attune {

// mean cross_entropy(linear(x, weight, bias), targets) over the targets that are not `ignore_index`
// (no number where there is none), for x [.., features], weight [classes, features], bias
// [classes], targets int64 [..]. Ignored positions cost nothing, and no more than a few hundred
// rows of logits exist at a time.
Tensor linear_cross_entropy(Operand x, Operand weight, Operand bias, Operand targets,
                            std::int64_t ignore_index = -100, double label_smoothing = 0);

// The same in ordinary ops, which define it.
Tensor linear_cross_entropy_composition(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                        const Tensor& targets, std::int64_t ignore_index,
                                        double label_smoothing);

}  // namespace attune
