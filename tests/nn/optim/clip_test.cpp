#include "nn/optim/clip.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/ops.h"

namespace attune::optim {
namespace {

std::vector<Tensor> parameters_with_gradients(double first, double second) {
  Tensor a = zeros({1}).requires_grad_();
  Tensor b = zeros({1}).requires_grad_();
  a.set_grad(full({1}, first));
  b.set_grad(full({1}, second));
  return {a, b, zeros({4}).requires_grad_()};
}

TEST_CASE("clip_grad_norm scales long gradients to the norm, and leaves short ones") {
  const auto parameters = parameters_with_gradients(3, 4);
  CHECK(clip_grad_norm(parameters, 10) == doctest::Approx(5));
  CHECK(parameters[0].grad().item() == 3);
  CHECK(clip_grad_norm(parameters, 1) == doctest::Approx(5));
  CHECK(parameters[0].grad().item() == doctest::Approx(0.6));
  CHECK(parameters[1].grad().item() == doctest::Approx(0.8));
}

TEST_CASE("every element is held within the limit") {
  const auto parameters = parameters_with_gradients(-3, 0.5);
  clip_grad_value(parameters, 1);
  CHECK(parameters[0].grad().item() == -1);
  CHECK(parameters[1].grad().item() == 0.5);
}

TEST_CASE("a gradient that is not finite is reported, not spread") {
  const auto parameters = parameters_with_gradients(NAN, 4);
  CHECK(std::isnan(clip_grad_norm(parameters, 1)));
  CHECK(parameters[1].grad().item() == 4);
}

}  // namespace
}  // namespace attune::optim
