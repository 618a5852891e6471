#include "nn/module.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune::nn {

struct Module::State {
  std::string scope;  // the name it was first registered under
  bool training = true;
  NamedTensors parameters;
  std::vector<std::pair<std::string, std::shared_ptr<State>>> children;

  void collect(const std::string& prefix, NamedTensors& found) const {
    for (const auto& [own, tensor] : parameters) found.emplace_back(prefix + own, tensor);
    for (const auto& [own, part] : children) {
      part->collect(own.empty() ? prefix : prefix + own + ".", found);
    }
  }

  void train(bool on) {
    training = on;
    for (const auto& [own, part] : children) part->train(on);
  }

  void check_free(const std::string& name) const {
    const auto taken = [&](const auto& entry) { return entry.first == name; };
    if (std::any_of(parameters.begin(), parameters.end(), taken) ||
        std::any_of(children.begin(), children.end(), taken)) {
      throw Error(fmt::format("Module: the name '{}' is registered twice.", name));
    }
  }
};

Module::Module() : state_(std::make_shared<State>()) {}

NamedTensors Module::named_parameters() const {
  NamedTensors found;
  state_->collect("", found);
  return found;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> unique;
  for (const auto& [name, tensor] : named_parameters()) {
    const auto same = [&](const Tensor& other) { return other.handle() == tensor.handle(); };
    if (std::none_of(unique.begin(), unique.end(), same)) unique.push_back(tensor);
  }
  return unique;
}

std::int64_t Module::parameter_count() const {
  std::int64_t count = 0;
  for (const Tensor& tensor : parameters()) count += tensor.numel();
  return count;
}

void Module::train(bool on) {
  state_->train(on);
}
bool Module::training() const {
  return state_->training;
}

void Module::zero_grad() {
  for (Tensor& tensor : parameters()) tensor.zero_grad();
}

void Module::to(DType dtype) {
  for (Tensor& tensor : parameters()) tensor.set_data(tensor.detach().to(dtype));
}

NamedTensors Module::state_dict() const {
  NamedTensors state = named_parameters();
  for (auto& [name, tensor] : state) tensor = tensor.detach().clone();
  return state;
}

void Module::load_state_dict(const NamedTensors& state) {
  const NamedTensors own = named_parameters();
  const auto find = [](const NamedTensors& in, const std::string& name) {
    return std::find_if(in.begin(), in.end(),
                        [&](const auto& entry) { return entry.first == name; });
  };
  std::string wrong;
  for (const auto& [name, tensor] : own) {
    const auto given = find(state, name);
    if (given == state.end()) {
      wrong += fmt::format("\n  {} is missing", name);
    } else if (given->second.shape() != tensor.shape()) {
      wrong += fmt::format("\n  {} has shape {}, the model's has {}", name,
                           to_string(given->second.shape()), to_string(tensor.shape()));
    } else if (!is_floating(given->second.dtype())) {
      wrong += fmt::format("\n  {} is {}, the model's is {}", name,
                           attune::name(given->second.dtype()), attune::name(tensor.dtype()));
    }
  }
  for (const auto& [name, tensor] : state) {
    if (find(own, name) == own.end()) wrong += fmt::format("\n  {} is unknown to the model", name);
  }
  if (!wrong.empty()) throw Error("load_state_dict: the state does not fit the model:" + wrong);
  const NoGrad no_grad;
  for (auto [name, tensor] : own) tensor.copy_(find(state, name)->second);
}

std::string Module::summary() const {
  const NamedTensors own = named_parameters();
  std::size_t width = 9;
  for (const auto& [name, tensor] : own) width = std::max(width, name.size());
  std::string table = fmt::format("{:<{}}  {:<16}{:>12}\n", "parameter", width, "shape", "count");
  for (const auto& [name, tensor] : own) {
    table += fmt::format("{:<{}}  {:<16}{:>12}\n", name, width, to_string(tensor.shape()),
                         tensor.numel());
  }
  return table + fmt::format("{:<{}}  {:<16}{:>12}\n", "total", width, "", parameter_count());
}

Tensor Module::parameter(const std::string& name, Tensor initial) {
  state_->check_free(name);
  state_->parameters.emplace_back(name, initial.requires_grad_());
  return initial;
}

void Module::adopt(const std::string& name, const Module& part) {
  state_->check_free(name);
  if (part.state_->scope.empty()) part.state_->scope = name;
  state_->children.emplace_back(name, part.state_);
}

Scope Module::scope() const {
  return state_->scope.empty() ? Scope(&Scope::current()) : Scope(std::string_view(state_->scope));
}

}  // namespace attune::nn
