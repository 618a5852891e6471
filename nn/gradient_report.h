#pragma once
// What backward() has left in a model, layer by layer: how large the gradients are, and where they
// vanish, explode or are missing.

#include <cstdint>
#include <string>
#include <vector>

#include "nn/module.h"

namespace attune::nn {

// The parameters of one layer, taken together.
struct LayerGradient {
  std::string layer;       // the dotted name that its parameters share; "model" for those without
  std::int64_t count = 0;  // of elements
  double norm = 0;         // Euclidean
  double largest = 0;      // absolute value of an element
  double zeros = 0;        // share of the elements that are exactly zero
  double weight_norm = 0;  // of the parameters
  std::vector<std::string> missing = {};  // parameters that no gradient has reached

  // norm / weight_norm: by what share plain gradient descent with a rate of 1 would change the
  // layer. 0 where the weights are all zero.
  double ratio() const { return weight_norm > 0 ? norm / weight_norm : 0; }
};

struct GradientReport {
  std::vector<LayerGradient> layers;  // in the order of named_parameters()
  // A sentence for each layer whose gradient
  //   - is missing in some parameter, which backward() has not reached,
  //   - is not finite,
  //   - vanishes: all of it is zero, or its ratio is below 1e-5 of the largest one,
  //   - explodes: its ratio is above 100.
  // These bounds are rules of thumb.
  std::vector<std::string> warnings;

  // The layers as a table, with the warnings below it.
  std::string text() const;
};

// Of the gradients that the model's parameters hold now: call it after backward(), and before
// zero_grad().
GradientReport gradient_report(const Module& model);

}  // namespace attune::nn
