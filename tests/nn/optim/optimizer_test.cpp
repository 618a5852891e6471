// Every optimiser against PyTorch 1.13.1: five steps on sum(p sin p) from (1, -2, 3) in float64;
// and what they have in common.

#include "nn/optim/optimizer.h"

#include <doctest/doctest.h>

#include <memory>

#include "nn/optim/adadelta.h"
#include "nn/optim/adagrad.h"
#include "nn/optim/adam.h"
#include "nn/optim/rmsprop.h"
#include "nn/optim/sgd.h"

namespace attune::optim {
namespace {

Tensor start() {
  return tensor({1, -2, 3}, DType::float64).requires_grad_();
}

void descend(Optimizer& optimizer, const Tensor& p, int steps) {
  for (int k = 0; k < steps; ++k) {
    optimizer.zero_grad();
    sum(sin(p) * p).backward();
    optimizer.step();
  }
}

template <class O, class Options>
void check_against(const Options& options, const std::vector<double>& expected) {
  const Tensor p = start();
  O optimizer(std::vector{p}, options);
  descend(optimizer, p, 5);
  const std::vector<double> found = p.to_vector<double>();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  }
}

TEST_CASE("SGD is PyTorch's, with momentum, dampening and Nesterov's momentum") {
  check_against<SGD>(SGDOptions{.learning_rate = 0.1},
                     {0.40955425336106027, -1.9352839202207257, 4.58322450669532});
  check_against<SGD>(SGDOptions{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.05},
                     {-0.4166261237313663, -1.6014066904951523, 5.9369126694085805});
  check_against<SGD>(SGDOptions{.learning_rate = 0.1, .momentum = 0.8, .dampening = 0.3},
                     {-0.053352154509183576, -1.8907960197857039, 5.529328317458293});
  check_against<SGD>(SGDOptions{.learning_rate = 0.1, .momentum = 0.9, .nesterov = true},
                     {-0.354280034957768, -1.6659468948974199, 5.2555094072532755});
}

TEST_CASE("Adam and AdamW are PyTorch's, with AMSGrad too") {
  check_against<Adam>(AdamOptions{.learning_rate = 0.05, .weight_decay = 0.1},
                      {0.7504806871128294, -1.7513144245830188, 3.2506786522288325});
  check_against<Adam>(AdamOptions{.learning_rate = 0.05, .amsgrad = true},
                      {0.7504212108053481, -1.7618533260963043, 3.2506472016765398});
  check_against<Adam>(AdamOptions{.learning_rate = 0.05, .weight_decay = 0.1, .decoupled = true},
                      {0.7282239110722137, -1.7164244345670818, 3.1737575607786424});
  const Tensor p = start();
  Adam defaults = adam_w({p}, {.learning_rate = 0.05, .weight_decay = 0.01, .amsgrad = true});
  descend(defaults, p, 5);
  CHECK(p.at({0}) == doctest::Approx(0.7481800178287615).epsilon(1e-12));
}

TEST_CASE("RMSprop, Adagrad and Adadelta are PyTorch's") {
  check_against<RMSprop>(RMSpropOptions{.learning_rate = 0.05},
                         {0.01600291023272197, -0.19401245162886033, 4.590153407311034});
  check_against<RMSprop>(
      RMSpropOptions{.learning_rate = 0.05, .alpha = 0.9, .weight_decay = 0.1, .momentum = 0.5},
      {0.19691774212016408, -0.9011003355964198, 3.940999687379636});
  check_against<Adagrad>(
      AdagradOptions{.learning_rate = 0.1, .rate_decay = 0.2, .weight_decay = 0.05},
      {0.7483651737599558, -1.6891536737834996, 3.2640564140261508});
  check_against<Adadelta>(AdadeltaOptions{.learning_rate = 0.7, .rho = 0.8, .weight_decay = 0.1},
                          {0.9915227558322156, -1.9913760256926472, 3.0084953202293963});
}

TEST_CASE("groups have rates and decays of their own") {
  const Tensor fast = start(), slow = start(), still = start();
  SGD sgd({ParameterGroup{{fast}, 1, 0.0}, ParameterGroup{{slow}, 0.5}, ParameterGroup{{still}, 0}},
          {.learning_rate = 0.1, .weight_decay = 0.2});
  for (const Tensor& p : {fast, slow, still}) sum(p * 2).backward();
  sgd.step();
  CHECK(fast.at({0}) == doctest::Approx(1 - 0.1 * 2));
  CHECK(slow.at({0}) == doctest::Approx(1 - 0.05 * (2 + 0.2 * 1)));
  CHECK(still.at({0}) == 1);
}

template <class O, class Options>
void check_resumed(const Options& options) {
  const auto run = [&](bool interrupted) {
    const Tensor p = start();
    auto optimizer = std::make_unique<O>(std::vector{p}, options);
    descend(*optimizer, p, 3);
    if (interrupted) {
      const NamedTensors state = optimizer->state_dict();
      optimizer = std::make_unique<O>(std::vector{p}, options);
      optimizer->load_state_dict(state);
    }
    descend(*optimizer, p, 3);
    return p.to_vector<double>();
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("a restored optimiser goes on in the same bits") {
  check_resumed<SGD>(SGDOptions{.momentum = 0.9, .dampening = 0.5});
  check_resumed<Adam>(AdamOptions{.amsgrad = true});
  check_resumed<RMSprop>(RMSpropOptions{.momentum = 0.9});
  check_resumed<Adagrad>(AdagradOptions{.rate_decay = 0.1});
  check_resumed<Adadelta>(AdadeltaOptions{});
}

TEST_CASE("a scale of the gradient is the gradient scaled") {
  Tensor a = start(), b = start();
  SGD one({a}, {.learning_rate = 0.1, .momentum = 0.5}),
      other({b}, {.learning_rate = 0.1, .momentum = 0.5});
  a.set_grad(full({3}, 4, DType::float64));
  b.set_grad(full({3}, 2, DType::float64));
  one.step(0.5);
  other.step();
  CHECK(a.to_vector<double>() == b.to_vector<double>());
}

TEST_CASE("what cannot be optimised is refused") {
  const Tensor p = start();
  CHECK_THROWS_WITH_AS(SGD({p, p}), "SGD: a parameter is given twice.", Error);
  CHECK_THROWS_AS(SGD({ones({2})}), Error);
  CHECK_THROWS_AS(SGD({p}, {.nesterov = true}), Error);
  CHECK_THROWS_AS(RMSprop({p}, {.alpha = 1}), Error);
  CHECK_THROWS_AS(Adadelta({p}, {.rho = 2}), Error);
}

}  // namespace
}  // namespace attune::optim
