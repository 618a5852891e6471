#pragma once

#include "autograd/ops.h"
#include "nn/optim/optimizer.h"

namespace attune::optim {

struct AdagradOptions {
  double learning_rate = 1e-2;
  double rate_decay = 0;
  double weight_decay = 0;
  double epsilon = 1e-10;
};

// Adagrad (Duchi, Hazan & Singer 2011):
//
//     v = v + g^2
//     p = p - rate / (1 + (t - 1) rate_decay) g / (sqrt(v) + epsilon)
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(std::vector<Tensor> parameters, const AdagradOptions& options = {})
      : Adagrad(std::vector{ParameterGroup{std::move(parameters)}}, options) {}
  explicit Adagrad(std::vector<ParameterGroup> groups, const AdagradOptions& options = {})
      : Optimizer("Adagrad", std::move(groups), options.learning_rate, options.weight_decay,
                  {"sum"}),
        options_(options) {}

 private:
  void update(Tensor& parameter, const Tensor& gradient, std::span<Tensor> moments,
              const Update& now) override {
    const Tensor g = penalised(parameter, gradient, now.scale, now.decay);
    Tensor& v = moments[0];
    v.add_(g * g);
    const double rate = now.rate / (1 + static_cast<double>(now.t - 1) * options_.rate_decay);
    parameter.add_(g / (sqrt(v) + options_.epsilon), -rate);
  }

  AdagradOptions options_;
};

}  // namespace attune::optim
