#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autograd/tensor.h"

namespace attune::optim {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  // AdamW: weight decay apart from the gradient (Loshchilov & Hutter 2019)
};

// Adam (Kingma & Ba 2015). The equations stand at autograd/fused/adam.h.
class Adam {
 public:
  // Errors: an option out of range, a parameter that requires no gradient.
  explicit Adam(std::vector<Tensor> parameters, const AdamOptions& options = {});

  // Moves every parameter that has a gradient. The gradients count `scale` times, so that clipping
  // need not go over them again.
  void step(double scale = 1);
  void zero_grad();

  double learning_rate() const { return options_.learning_rate; }
  void set_learning_rate(double rate) { options_.learning_rate = rate; }

  // All that the next step depends on besides parameters and options: "step", and for parameter k
  // "exp_avg.k" and "exp_avg_sq.k". Loading checks everything before it changes anything.
  NamedTensors state_dict() const;
  void load_state_dict(const NamedTensors& state);

 private:
  std::vector<Tensor> parameters_;
  std::vector<Tensor> m_;
  std::vector<Tensor> v_;
  AdamOptions options_;
  std::vector<std::int64_t> steps_;  // taken by each parameter
};

}  // namespace attune::optim
