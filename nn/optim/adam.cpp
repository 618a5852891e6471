#include "nn/optim/adam.h"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/fused/adam.h"

namespace attune::optim {

Adam::Adam(std::vector<Tensor> parameters, const AdamOptions& options)
    : parameters_(std::move(parameters)), options_(options), steps_(parameters_.size(), 0) {
  const auto in_unit = [](double x) { return x >= 0 && x < 1; };
  if (!(options.learning_rate >= 0) || !in_unit(options.beta1) || !in_unit(options.beta2) ||
      !(options.epsilon >= 0) || !(options.weight_decay >= 0)) {
    throw Error("Adam: the betas lie in [0, 1), the other options are not negative.");
  }
  for (const Tensor& parameter : parameters_) {
    if (!parameter.requires_grad() || !parameter.is_leaf()) {
      throw Error(fmt::format("Adam: a parameter of shape {} is no leaf that requires a gradient.",
                              to_string(parameter.shape())));
    }
    m_.push_back(zeros(parameter.shape(), parameter.dtype()));
    v_.push_back(zeros(parameter.shape(), parameter.dtype()));
  }
}

void Adam::step(double scale) {
  for (std::size_t k = 0; k < parameters_.size(); ++k) {
    const Tensor gradient = parameters_[k].grad();
    if (!gradient.defined()) continue;
    adam_step(parameters_[k], gradient, m_[k], v_[k],
              {options_.learning_rate, options_.beta1, options_.beta2, options_.epsilon,
               options_.weight_decay, options_.decoupled, scale, ++steps_[k]});
  }
}

void Adam::zero_grad() {
  for (Tensor& parameter : parameters_) parameter.zero_grad();
}

NamedTensors Adam::state_dict() const {
  NamedTensors state;
  state.emplace_back("step", from_vector(steps_, {static_cast<std::int64_t>(steps_.size())}));
  for (std::size_t k = 0; k < parameters_.size(); ++k) {
    state.emplace_back(fmt::format("exp_avg.{}", k), m_[k].clone());
    state.emplace_back(fmt::format("exp_avg_sq.{}", k), v_[k].clone());
  }
  return state;
}

void Adam::load_state_dict(const NamedTensors& state) {
  const NamedTensors own = state_dict();
  const auto find = [&](const std::string& name) {
    return std::find_if(state.begin(), state.end(),
                        [&](const auto& entry) { return entry.first == name; });
  };
  for (const auto& [name, tensor] : own) {
    const auto given = find(name);
    if (given == state.end() || given->second.shape() != tensor.shape() ||
        given->second.dtype() != tensor.dtype()) {
      throw Error(fmt::format("Adam: the state to load has no '{}' of shape {}, dtype {}.", name,
                              to_string(tensor.shape()), attune::name(tensor.dtype())));
    }
  }
  if (state.size() != own.size()) {
    throw Error(fmt::format("Adam: the state to load has {} tensors, and {} were expected.",
                            state.size(), own.size()));
  }
  steps_ = find("step")->second.to_vector<std::int64_t>();
  for (std::size_t k = 0; k < parameters_.size(); ++k) {
    m_[k].copy_(find(fmt::format("exp_avg.{}", k))->second);
    v_[k].copy_(find(fmt::format("exp_avg_sq.{}", k))->second);
  }
}

}  // namespace attune::optim
