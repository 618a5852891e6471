#pragma once

#include "autograd/ops.h"
#include "nn/optim/optimizer.h"

namespace attune::optim {

struct SGDOptions {
  double learning_rate = 1e-3;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;
};

// Stochastic gradient descent, with momentum as PyTorch has it:
//
//     b = g at the first step, then momentum b + (1 - dampening) g
//     p = p - rate b, or with Nesterov's p - rate (g + momentum b)
class SGD : public Optimizer {
 public:
  explicit SGD(std::vector<Tensor> parameters, const SGDOptions& options = {})
      : SGD(std::vector{ParameterGroup{std::move(parameters)}}, options) {}
  explicit SGD(std::vector<ParameterGroup> groups, const SGDOptions& options = {})
      : Optimizer(
            "SGD", std::move(groups), options.learning_rate, options.weight_decay,
            options.momentum == 0 ? std::vector<const char*>{} : std::vector{"momentum_buffer"}),
        options_(options) {
    require(options.momentum >= 0, "the momentum is negative");
    require(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
            "Nesterov's momentum takes a momentum and no dampening");
  }

 private:
  void update(Tensor& parameter, const Tensor& gradient, std::span<Tensor> moments,
              const Update& now) override {
    const Tensor g = penalised(parameter, gradient, now.scale, now.decay);
    if (moments.empty()) {
      parameter.add_(g, -now.rate);
      return;
    }
    Tensor& b = moments[0];
    b.copy_(now.t == 1 ? g : b * options_.momentum + g * (1 - options_.dampening));
    parameter.add_(options_.nesterov ? g + b * options_.momentum : b, -now.rate);
  }

  SGDOptions options_;
};

}  // namespace attune::optim
