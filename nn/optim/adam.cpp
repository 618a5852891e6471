#include "nn/optim/adam.h"

#include <cmath>

#include "autograd/fused/adam.h"
#include "autograd/ops.h"

namespace attune::optim {
namespace {

std::vector<const char*> moments_of(const AdamOptions& options) {
  if (options.amsgrad) return {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  return {"exp_avg", "exp_avg_sq"};
}

}  // namespace

Adam::Adam(std::vector<ParameterGroup> groups, const AdamOptions& options)
    : Optimizer("Adam", std::move(groups), options.learning_rate, options.weight_decay,
                moments_of(options)),
      options_(options) {
  const auto in_unit = [](double x) { return x >= 0 && x < 1; };
  require(in_unit(options.beta1) && in_unit(options.beta2) && options.epsilon >= 0,
          "the betas lie in [0, 1), and epsilon is not negative");
}

void Adam::update(Tensor& parameter, const Tensor& gradient, std::span<Tensor> moments,
                  const Update& now) {
  const AdamStep step{now.rate,  options_.beta1,     options_.beta2, options_.epsilon,
                      now.decay, options_.decoupled, now.scale,      now.t};
  if (!options_.amsgrad) return adam_step(parameter, gradient, moments[0], moments[1], step);
  amsgrad_composition(parameter, gradient, moments[0], moments[1], moments[2], step);
}

}  // namespace attune::optim
