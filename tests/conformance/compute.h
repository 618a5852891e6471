#pragma once
// What attune computes for a conformance case, beside what the case says.

#include <string>
#include <vector>

#include "tests/conformance/case.h"

namespace attune::conformance {

struct Comparison {
  std::string name;  // of the tensor in the case
  Tensor ours, theirs;
};

bool is_known(const std::string& op);

// Everything of the case that can be compared. Error if the op is not known, or cannot be computed
// as the case says.
std::vector<Comparison> compute(const Case& c);

}  // namespace attune::conformance
