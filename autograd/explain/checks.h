#pragma once
// Every node's rules against finite differences, in a few runs of the whole function.

#include <functional>

#include "autograd/explain.h"
#include "autograd/node.h"

namespace attune {

// Of every op that recorded itself, in that order.
using Checks = std::vector<std::vector<Explanation::Check>>;

// The rules of all ops that `make` records, held against the change of their outputs. Each tensor
// in memory that an op reads (a slot) is moved along a random direction just before the op runs,
// and put back just after, while every other value stays what it was; so one run of `make` moves
// one slot of each op. `problem` says why there are no checks, if `make` does not compute the same
// at every call.
Checks check_ops(const std::function<void()>& make, std::string& problem);

}  // namespace attune
