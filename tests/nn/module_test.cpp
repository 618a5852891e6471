// What all modules share: names, handles, modes, state and its errors.

#include "nn/module.h"

#include <doctest/doctest.h>

#include "autograd/random.h"
#include "nn/dropout.h"
#include "nn/linear.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;

namespace {

// Parts held by value and by pointer, and a parameter of its own.
class Network : public Module {
 public:
  Network()
      : first(child("first", Linear(3, 4))),
        scale(parameter("scale", ones({4}))),
        second(child("second", std::make_shared<Linear>(4, 2, false))),
        dropout(child("dropout", Dropout(0.5))) {}

  Tensor forward(const Tensor& x) const {
    const Scope in = scope();
    return second->forward(dropout.forward(first.forward(x) * scale));
  }

  Linear first;
  Tensor scale;
  std::shared_ptr<Linear> second;
  Dropout dropout;
};

// One weight used twice.
class Tied : public Module {
 public:
  Tied() : there(child("there", Linear(2, 2, false))), back(child("back", there)) {}
  Linear there, back;
};

class Twice : public Module {
 public:
  Twice() {
    parameter("weight", zeros({1}));
    parameter("weight", zeros({1}));
  }
};

std::vector<std::string> names_of(const Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : module.named_parameters()) names.push_back(name);
  return names;
}

}  // namespace

TEST_CASE("parameters have dotted names, a module's own before those of its parts") {
  const Network network;
  CHECK(names_of(network) ==
        std::vector<std::string>{"scale", "first.weight", "first.bias", "second.weight"});
  CHECK(network.parameter_count() == 12 + 4 + 4 + 8);
  for (const Tensor& tensor : network.parameters()) {
    CHECK(tensor.requires_grad());
    CHECK(tensor.is_leaf());
  }
}

TEST_CASE("a copy of a module shares its parameters and its mode") {
  Network network;
  Network copy = network;
  copy.eval();
  CHECK(!network.training());
  CHECK(!network.first.training());
  const Tensor x = ones({1, 3});
  CHECK(difference(network.forward(x), copy.forward(x)) == 0);
  {
    const NoGrad no_grad;
    copy.scale.fill_(2);
  }
  CHECK(network.scale.at({0}) == 2);
  CHECK(difference(network.forward(x), copy.forward(x)) == 0);
}

TEST_CASE("train and eval reach every part") {
  Network network;
  CHECK(network.training());
  CHECK(network.dropout.training());
  network.eval();
  CHECK(!network.dropout.training());
  CHECK(!network.second->training());
  network.train();
  CHECK(network.dropout.training());
}

TEST_CASE("a tied parameter has two names and counts once") {
  const Tied tied;
  CHECK(names_of(tied) == std::vector<std::string>{"there.weight", "back.weight"});
  CHECK(tied.parameters().size() == 1);
  CHECK(tied.parameter_count() == 4);
}

TEST_CASE("a name can be taken once") {
  CHECK_THROWS_WITH_AS(Twice(), doctest::Contains("'weight'"), Error);
}

TEST_CASE("zero_grad clears all gradients") {
  Network network;
  sum(network.forward(ones({1, 3}))).backward();
  for (const Tensor& tensor : network.parameters()) CHECK(tensor.grad().defined());
  network.zero_grad();
  for (const Tensor& tensor : network.parameters()) CHECK(!tensor.grad().defined());
}

TEST_CASE("to converts the parameters of every copy, and they can be trained on") {
  Network network;
  const Network copy = network;
  const Tensor before = network.scale.clone();
  network.to(DType::float64);
  for (const Tensor& tensor : copy.parameters()) {
    CHECK(tensor.dtype() == DType::float64);
    CHECK(tensor.requires_grad());
  }
  CHECK(copy.scale.dtype() == DType::float64);
  CHECK(difference(before, copy.scale) == 0);
  sum(copy.forward(ones({1, 3}, DType::float64))).backward();
  CHECK(network.scale.grad().dtype() == DType::float64);
}

TEST_CASE("a state dict is a copy, and brings a model back") {
  manual_seed(1);
  Network network;
  const NamedTensors state = network.state_dict();
  const Tensor scale = network.scale.clone();
  for (const auto& [name, tensor] : state) CHECK(!tensor.requires_grad());
  {
    const NoGrad no_grad;
    for (Tensor& tensor : network.parameters()) tensor.fill_(7);
  }
  CHECK(state[0].second.at({0}) == 1);
  network.load_state_dict(state);
  CHECK(difference(network.scale, scale) == 0);
  for (std::size_t i = 0; i < state.size(); ++i) {
    CHECK(difference(network.named_parameters()[i].second, state[i].second) == 0);
  }
  Network other;
  other.load_state_dict(state);
  CHECK(difference(other.first.weight, network.first.weight) == 0);
  other.to(DType::float64);
  other.load_state_dict(state);
  CHECK(other.scale.dtype() == DType::float64);
}

TEST_CASE("a state that does not fit is refused with all reasons, and changes nothing") {
  Network network;
  const NamedTensors before = network.state_dict();
  NamedTensors state = network.state_dict();
  for (auto& [name, tensor] : state) tensor.fill_(7);
  state[2].first = "first.offset";
  state[3].second = zeros({2, 5});
  CHECK_THROWS_WITH_AS(network.load_state_dict(state),
                       "load_state_dict: the state does not fit the model:\n"
                       "  first.bias is missing\n"
                       "  second.weight has shape [2, 5], the model's has [2, 4]\n"
                       "  first.offset is unknown to the model",
                       Error);
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(difference(network.named_parameters()[i].second, before[i].second) == 0);
  }
  state = network.state_dict();
  state[0].second = zeros({4}, DType::int64);
  CHECK_THROWS_WITH_AS(network.load_state_dict(state), doctest::Contains("scale is int64"), Error);
}

TEST_CASE("a summary names every parameter, its shape and count, and the total") {
  CHECK(Network().summary() ==
        "parameter      shape                  count\n"
        "scale          [4]                        4\n"
        "first.weight   [4, 3]                    12\n"
        "first.bias     [4]                        4\n"
        "second.weight  [2, 4]                     8\n"
        "total                                    28\n");
}

TEST_CASE("errors inside a module name the part they come from") {
  class Outer : public Module {
   public:
    Outer() : network(child("network", Network())) {}
    Tensor forward(const Tensor& x) const { return network.forward(x); }
    Network network;
  };
  CHECK_THROWS_WITH_AS(Outer().forward(ones({1, 5})), doctest::Contains("in network.first"), Error);
}
