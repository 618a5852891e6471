#pragma once
// What all optimisers have in common: parameters in groups, a learning rate, and for each parameter
// some moments that the next step depends on. An optimiser of one's own names its moments and says
// how one parameter is moved; see sgd.h.

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "autograd/tensor.h"

namespace attune::optim {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// Parameters that are treated alike.
struct ParameterGroup {
  std::vector<Tensor> parameters;
  double rate = 1;                          // relative to the optimiser's learning rate
  std::optional<double> weight_decay = {};  // instead of the optimiser's
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Moves every parameter that has a gradient. The gradients count `scale` times, so that clipping
  // need not go over them again.
  void step(double scale = 1);
  void zero_grad();

  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double rate) { learning_rate_ = rate; }

  // All that the next step depends on besides parameters and options: "step", the steps taken by
  // each parameter, and "MOMENT.k" for parameter k. Loading checks everything before it changes
  // anything.
  NamedTensors state_dict() const;
  void load_state_dict(const NamedTensors& state);

 protected:
  // Error if a parameter is no leaf that requires a gradient, or is in two groups. `moments` are
  // names; each moment begins as zeros like its parameter.
  Optimizer(const char* name, std::vector<ParameterGroup> groups, double learning_rate,
            double weight_decay, std::vector<const char*> moments);

  struct Update {
    double rate;
    double decay;
    double scale;    // of the gradient
    std::int64_t t;  // steps taken by this parameter, this one included
  };
  // Changes the parameter and its moments in place; called under NoGrad.
  virtual void update(Tensor& parameter, const Tensor& gradient, std::span<Tensor> moments,
                      const Update& now) = 0;

  // Throws, naming the optimiser, unless the condition holds.
  void require(bool condition, const char* sentence) const;

 private:
  struct Slot {
    Tensor parameter;
    double rate;
    double decay;
    std::vector<Tensor> moments;
    std::int64_t steps = 0;
  };

  const char* name_;
  std::vector<const char*> moments_;
  std::vector<Slot> slots_;
  double learning_rate_;
};

// The gradient with the penalty's: scale g + decay p, as L2 regularisation adds it.
Tensor penalised(const Tensor& parameter, const Tensor& gradient, double scale, double decay);

}  // namespace attune::optim
