#include "tests/conformance/optimisers.h"

#include "nn/optim/adam.h"

namespace attune::conformance {
namespace {

// An optimiser as a function that takes a step.
template <class Optimiser>
std::function<void()> stepping(Optimiser optimiser) {
  return [optimiser = std::make_shared<Optimiser>(std::move(optimiser))] { optimiser->step(); };
}

std::function<void()> adam_like(std::vector<Tensor> parameters, const Attributes& attributes,
                                bool decoupled) {
  const std::vector<double> betas = attributes.numbers("betas", {0.9, 0.999});
  return stepping(
      optim::Adam(std::move(parameters),
                  {.learning_rate = attributes.number("lr", 1e-3),
                   .beta1 = betas.at(0),
                   .beta2 = betas.at(1),
                   .epsilon = attributes.number("eps", 1e-8),
                   .weight_decay = attributes.number("weight_decay", decoupled ? 1e-2 : 0),
                   .decoupled = decoupled}));
}

}  // namespace

const std::map<std::string, Optimiser>& optimisers() {
  static const std::map<std::string, Optimiser> map{
      {"optim.Adam",
       [](std::vector<Tensor> parameters, const Attributes& attributes) {
         return adam_like(std::move(parameters), attributes, false);
       }},
      {"optim.AdamW",
       [](std::vector<Tensor> parameters, const Attributes& attributes) {
         return adam_like(std::move(parameters), attributes, true);
       }},
  };
  return map;
}

}  // namespace attune::conformance
