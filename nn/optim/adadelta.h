#pragma once

#include "autograd/ops.h"
#include "nn/optim/optimizer.h"

namespace attune::optim {

struct AdadeltaOptions {
  double learning_rate = 1;
  double rho = 0.9;
  double epsilon = 1e-6;
  double weight_decay = 0;
};

// Adadelta (Zeiler 2012):
//
//     v = rho v + (1 - rho) g^2
//     d = sqrt(u + epsilon) / sqrt(v + epsilon) g
//     u = rho u + (1 - rho) d^2
//     p = p - rate d
class Adadelta : public Optimizer {
 public:
  explicit Adadelta(std::vector<Tensor> parameters, const AdadeltaOptions& options = {})
      : Adadelta(std::vector{ParameterGroup{std::move(parameters)}}, options) {}
  explicit Adadelta(std::vector<ParameterGroup> groups, const AdadeltaOptions& options = {})
      : Optimizer("Adadelta", std::move(groups), options.learning_rate, options.weight_decay,
                  {"square_avg", "acc_delta"}),
        options_(options) {
    require(options.rho >= 0 && options.rho <= 1, "rho lies in [0, 1]");
  }

 private:
  void update(Tensor& parameter, const Tensor& gradient, std::span<Tensor> moments,
              const Update& now) override {
    const Tensor g = penalised(parameter, gradient, now.scale, now.decay);
    Tensor& v = moments[0];
    Tensor& u = moments[1];
    v.copy_(v * options_.rho + g * g * (1 - options_.rho));
    const Tensor d = sqrt(u + options_.epsilon) / sqrt(v + options_.epsilon) * g;
    u.copy_(u * options_.rho + d * d * (1 - options_.rho));
    parameter.add_(d, -now.rate);
  }

  AdadeltaOptions options_;
};

}  // namespace attune::optim
