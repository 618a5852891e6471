#include "nn/optim/optimizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/ops.h"

namespace attune::optim {

Optimizer::Optimizer(const char* name, std::vector<ParameterGroup> groups, double learning_rate,
                     double weight_decay, std::vector<const char*> moments)
    : name_(name), moments_(std::move(moments)), learning_rate_(learning_rate) {
  require(learning_rate >= 0, "the learning rate is negative");
  for (const ParameterGroup& group : groups) {
    const double decay = group.weight_decay.value_or(weight_decay);
    require(decay >= 0 && group.rate >= 0, "a weight decay or a rate is negative");
    for (const Tensor& parameter : group.parameters) {
      const auto same = [&](const Slot& slot) {
        return slot.parameter.handle() == parameter.handle();
      };
      require(std::none_of(slots_.begin(), slots_.end(), same), "a parameter is given twice");
      require(parameter.requires_grad() && parameter.is_leaf(),
              "a parameter is no leaf that requires a gradient");
      Slot slot{parameter, group.rate, decay, {}};
      for (std::size_t i = 0; i < moments_.size(); ++i) {
        slot.moments.push_back(zeros(parameter.shape(), parameter.dtype()));
      }
      slots_.push_back(std::move(slot));
    }
  }
}

void Optimizer::require(bool condition, const char* sentence) const {
  if (!condition) throw Error(fmt::format("{}: {}.", name_, sentence));
}

void Optimizer::step(double scale) {
  const NoGrad no_grad;
  for (Slot& slot : slots_) {
    const Tensor gradient = slot.parameter.grad();
    if (!gradient.defined()) continue;
    update(slot.parameter, gradient, slot.moments,
           {learning_rate_ * slot.rate, slot.decay, scale, ++slot.steps});
  }
}

void Optimizer::zero_grad() {
  for (Slot& slot : slots_) slot.parameter.zero_grad();
}

NamedTensors Optimizer::state_dict() const {
  std::vector<std::int64_t> steps;
  for (const Slot& slot : slots_) steps.push_back(slot.steps);
  NamedTensors state;
  state.emplace_back("step", from_vector(steps, {static_cast<std::int64_t>(steps.size())}));
  for (std::size_t k = 0; k < slots_.size(); ++k) {
    for (std::size_t i = 0; i < moments_.size(); ++i) {
      state.emplace_back(fmt::format("{}.{}", moments_[i], k), slots_[k].moments[i].clone());
    }
  }
  return state;
}

void Optimizer::load_state_dict(const NamedTensors& state) {
  const NamedTensors own = state_dict();
  const auto find = [&](const std::string& name) {
    return std::find_if(state.begin(), state.end(),
                        [&](const auto& entry) { return entry.first == name; });
  };
  for (const auto& [name, tensor] : own) {
    const auto given = find(name);
    if (given != state.end() && given->second.shape() == tensor.shape() &&
        given->second.dtype() == tensor.dtype()) {
      continue;
    }
    throw Error(fmt::format("{}: the state to load has no '{}' of shape {}, dtype {}.", name_, name,
                            to_string(tensor.shape()), attune::name(tensor.dtype())));
  }
  if (state.size() != own.size()) {
    throw Error(fmt::format("{}: the state to load has {} tensors, and {} were expected.", name_,
                            state.size(), own.size()));
  }
  const std::vector<std::int64_t> steps = find("step")->second.to_vector<std::int64_t>();
  for (std::size_t k = 0; k < slots_.size(); ++k) {
    slots_[k].steps = steps[k];
    for (std::size_t i = 0; i < moments_.size(); ++i) {
      slots_[k].moments[i].copy_(find(fmt::format("{}.{}", moments_[i], k))->second);
    }
  }
}

Tensor penalised(const Tensor& parameter, const Tensor& gradient, double scale, double decay) {
  const Tensor scaled = scale == 1 ? gradient : gradient * scale;
  return decay == 0 ? scaled : scaled + parameter * decay;
}

}  // namespace attune::optim
