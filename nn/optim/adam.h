#pragma once

#include "nn/optim/optimizer.h"

namespace attune::optim {

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  // AdamW: weight decay apart from the gradient (Loshchilov & Hutter 2019)
  bool amsgrad = false;    // divides by the largest second moment so far (Reddi et al. 2018)
};

// Adam (Kingma & Ba 2015). The equations stand at autograd/fused/adam.h.
class Adam : public Optimizer {
 public:
  explicit Adam(std::vector<Tensor> parameters, const AdamOptions& options = {})
      : Adam(std::vector{ParameterGroup{std::move(parameters)}}, options) {}
  explicit Adam(std::vector<ParameterGroup> groups, const AdamOptions& options = {});

 private:
  void update(Tensor& parameter, const Tensor& gradient, std::span<Tensor> moments,
              const Update& now) override;

  AdamOptions options_;
};

// Adam with decoupled weight decay, by PyTorch's default of 0.01.
inline Adam adam_w(std::vector<Tensor> parameters, AdamOptions options = {.weight_decay = 0.01}) {
  options.decoupled = true;
  return Adam(std::move(parameters), options);
}

}  // namespace attune::optim
