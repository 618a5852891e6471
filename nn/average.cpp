#include "nn/average.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::nn {

ParameterAverage::ParameterAverage(std::vector<Tensor> parameters, double decay)
    : parameters_(std::move(parameters)), decay_(decay) {
  if (!(decay >= 0 && decay < 1)) {
    throw Error(fmt::format("ParameterAverage: the decay is {}, and must lie in [0, 1).", decay));
  }
  if (!on()) return;
  for (const Tensor& parameter : parameters_) averages_.push_back(parameter.detach().clone());
}

void ParameterAverage::update() {
  if (!on()) return;
  const NoGrad no_grad;
  const auto t = static_cast<double>(++steps_);
  const double decay = std::min(decay_, (1 + t) / (10 + t));
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    averages_[i].mul_(decay).add_(parameters_[i], 1 - decay);
  }
}

void ParameterAverage::exchange() const {
  const NoGrad no_grad;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    Tensor parameter = parameters_[i], average = averages_[i];
    const Tensor before = parameter.clone();
    parameter.copy_(average);
    average.copy_(before);
  }
}

NamedTensors ParameterAverage::state_dict() const {
  NamedTensors state;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    state.emplace_back(fmt::format("{}", i), averages_[i].clone());
  }
  return state;
}

void ParameterAverage::load_state_dict(const NamedTensors& state, std::int64_t steps) {
  std::vector<Tensor> found;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    for (const auto& [name, tensor] : state) {
      if (name == fmt::format("{}", i) && tensor.shape() == averages_[i].shape()) {
        found.push_back(tensor);
      }
    }
  }
  if (found.size() != averages_.size() || found.size() != state.size()) {
    throw Error("ParameterAverage: the state to load is not that of these parameters.");
  }
  const NoGrad no_grad;
  for (std::size_t i = 0; i < averages_.size(); ++i) averages_[i].copy_(found[i]);
  steps_ = steps;
}

}  // namespace attune::nn
