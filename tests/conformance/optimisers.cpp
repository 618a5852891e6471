#include "tests/conformance/optimisers.h"

#include "nn/optim/adadelta.h"
#include "nn/optim/adagrad.h"
#include "nn/optim/adam.h"
#include "nn/optim/rmsprop.h"
#include "nn/optim/sgd.h"

namespace attune::conformance {
namespace {

using Parameters = std::vector<Tensor>;
using Step = std::function<void()>;

template <class Optimizer>
Step stepping(Optimizer optimizer) {
  return [optimizer = std::make_shared<Optimizer>(std::move(optimizer))] { optimizer->step(); };
}

// Where an option is absent it has PyTorch's default.

Step sgd(Parameters parameters, const Attributes& given) {
  return stepping(
      optim::SGD(std::move(parameters), {.learning_rate = given.number("lr", 1e-3),
                                         .momentum = given.number("momentum", 0.0),
                                         .dampening = given.number("dampening", 0.0),
                                         .nesterov = given.flag("nesterov", false),
                                         .weight_decay = given.number("weight_decay", 0.0)}));
}

Step adam_like(Parameters parameters, const Attributes& given, bool decoupled) {
  const std::vector<double> betas = given.numbers("betas", {0.9, 0.999});
  return stepping(optim::Adam(std::move(parameters),
                              {.learning_rate = given.number("lr", 1e-3),
                               .beta1 = betas.at(0),
                               .beta2 = betas.at(1),
                               .epsilon = given.number("eps", 1e-8),
                               .weight_decay = given.number("weight_decay", decoupled ? 1e-2 : 0.0),
                               .decoupled = decoupled,
                               .amsgrad = given.flag("amsgrad", false)}));
}

Step adam(Parameters parameters, const Attributes& given) {
  return adam_like(std::move(parameters), given, false);
}

Step adam_w(Parameters parameters, const Attributes& given) {
  return adam_like(std::move(parameters), given, true);
}

Step rmsprop(Parameters parameters, const Attributes& given) {
  return stepping(
      optim::RMSprop(std::move(parameters), {.learning_rate = given.number("lr", 1e-2),
                                             .alpha = given.number("alpha", 0.99),
                                             .epsilon = given.number("eps", 1e-8),
                                             .weight_decay = given.number("weight_decay", 0.0),
                                             .momentum = given.number("momentum", 0.0)}));
}

Step adagrad(Parameters parameters, const Attributes& given) {
  return stepping(
      optim::Adagrad(std::move(parameters), {.learning_rate = given.number("lr", 1e-2),
                                             .rate_decay = given.number("lr_decay", 0.0),
                                             .weight_decay = given.number("weight_decay", 0.0),
                                             .epsilon = given.number("eps", 1e-10)}));
}

Step adadelta(Parameters parameters, const Attributes& given) {
  return stepping(
      optim::Adadelta(std::move(parameters), {.learning_rate = given.number("lr", 1.0),
                                              .rho = given.number("rho", 0.9),
                                              .epsilon = given.number("eps", 1e-6),
                                              .weight_decay = given.number("weight_decay", 0.0)}));
}

}  // namespace

const std::map<std::string, Optimiser>& optimisers() {
  static const std::map<std::string, Optimiser> map{
      {"optim.SGD", sgd},         {"optim.Adam", adam},       {"optim.AdamW", adam_w},
      {"optim.RMSprop", rmsprop}, {"optim.Adagrad", adagrad}, {"optim.Adadelta", adadelta},
  };
  return map;
}

}  // namespace attune::conformance
