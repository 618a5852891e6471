#pragma once

#include "autograd/ops.h"
#include "nn/optim/optimizer.h"

namespace attune::optim {

struct RMSpropOptions {
  double learning_rate = 1e-2;
  double alpha = 0.99;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
};

// RMSprop (Tieleman & Hinton 2012, lecture 6.5):
//
//     v = alpha v + (1 - alpha) g^2
//     u = g / (sqrt(v) + epsilon), with momentum gathered in b = momentum b + u
//     p = p - rate u, or p - rate b
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(std::vector<Tensor> parameters, const RMSpropOptions& options = {})
      : RMSprop(std::vector{ParameterGroup{std::move(parameters)}}, options) {}
  explicit RMSprop(std::vector<ParameterGroup> groups, const RMSpropOptions& options = {})
      : Optimizer("RMSprop", std::move(groups), options.learning_rate, options.weight_decay,
                  options.momentum == 0 ? std::vector{"square_avg"}
                                        : std::vector{"square_avg", "momentum_buffer"}),
        options_(options) {
    require(options.alpha >= 0 && options.alpha < 1 && options.momentum >= 0,
            "alpha lies in [0, 1), and the momentum is not negative");
  }

 private:
  void update(Tensor& parameter, const Tensor& gradient, std::span<Tensor> moments,
              const Update& now) override {
    const Tensor g = penalised(parameter, gradient, now.scale, now.decay);
    Tensor& v = moments[0];
    v.copy_(v * options_.alpha + g * g * (1 - options_.alpha));
    const Tensor u = g / (sqrt(v) + options_.epsilon);
    if (moments.size() > 1) moments[1].copy_(moments[1] * options_.momentum + u);
    parameter.add_(moments.size() > 1 ? moments[1] : u, -now.rate);
  }

  RMSpropOptions options_;
};

}  // namespace attune::optim
