#pragma once
// What losses share.

#include "autograd/op.h"

namespace attune::detail {

// Throws unless `scores` are [.., classes], and `targets` int64 [..] that are classes or `ignored`.
void check_classes(const char* op, Operand scores, Operand targets, std::int64_t ignored);
// How many targets are not `ignored`.
std::int64_t counted(Operand targets, std::int64_t ignored);
// The losses as they are, their sum, the sum over `count`, or over the size of dimension 0.
Tensor reduce_losses(Operand losses, Reduction reduction, std::int64_t count);

}  // namespace attune::detail
