#pragma once
// The optimisers of attune by the names that conformance cases give them.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/conformance/case.h"

namespace attune::conformance {

// Makes an optimiser of these parameters; what is returned takes one step.
using Optimiser = std::function<void()> (*)(std::vector<Tensor> parameters, const Attributes&);

const std::map<std::string, Optimiser>& optimisers();

}  // namespace attune::conformance
