#pragma once
// The ops and layers of attune by the names that conformance cases give them.

#include <map>
#include <string>
#include <vector>

#include "nn/module.h"
#include "tests/conformance/case.h"

namespace attune::conformance {

struct Arguments {
  std::vector<Tensor> inputs;
  const Named& parameters;
  const Attributes& attributes;

  // in.K; Error if there is none.
  const Tensor& input(std::size_t k) const;
};

struct Results {
  std::vector<Tensor> outputs;
  nn::NamedTensors parameters = {};  // of a layer, that gradients are taken by
};

using Function = Results (*)(const Arguments&);
using Functions = std::map<std::string, Function>;

Functions elementwise();     // elementwise.cpp
Functions reductions();      // and products: reductions.cpp
Functions shapes();          // and indexing: shapes.cpp
Functions normalisations();  // and losses: losses.cpp
Functions attentions();      // attention.cpp
Functions layers();          // layers.cpp

// All of them.
const Functions& functions();

}  // namespace attune::conformance
