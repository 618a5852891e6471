// Functions of functions: derivatives known in closed form, against each other, and nested.
#include "autograd/functional.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "tests/autograd/live.h"
#include "tests/difference.h"

namespace attune {
namespace {

using doctest::Approx;
using doctest::Contains;
using testing::NothingLeft;

Tensor vector(std::initializer_list<NestedNumbers> numbers) {
  return tensor(numbers, DType::float64);
}

// a_0^2 b_0 + a_1^2 b_1
Tensor cubic(const Tensors& x) {
  return sum(x[0] * x[0] * x[1]);
}

// (a b, sin a)
Tensors pair(const Tensors& x) {
  return {x[0] * x[1], sin(x[0])};
}

TEST_CASE("grad() of a function is the function of its derivatives") {
  const NothingLeft check;
  const Tensors g = functional::grad(cubic)({vector({2, 3}), vector({5, 7})});
  REQUIRE(g.size() == 2);
  CHECK(values(g[0]) == Doubles{20, 42});
  CHECK(values(g[1]) == Doubles{4, 9});
  CHECK_FALSE(g[0].requires_grad());
}

TEST_CASE("grad() nests: the fourth derivative of sin is sin") {
  const NothingLeft check;
  TensorFunction f = [](const Tensors& x) { return sin(x[0]); };
  for (int order = 0; order < 4; ++order) f = functional::grad(f);
  const NoGrad not_needed_outside;
  CHECK(f({scalar(0.3, DType::float64)})[0].item() == Approx(std::sin(0.3)).epsilon(1e-14));
}

TEST_CASE("an input that is not used has a gradient of zeros") {
  const NothingLeft check;
  const auto f = [](const Tensors& x) { return sum(x[0]); };
  CHECK(values(functional::grad(f)({vector({1, 2}), vector({3})})[1]) == Doubles{0});
  const auto constant = [](const Tensors&) { return scalar(1, DType::float64); };
  CHECK(values(functional::grad(constant)({vector({1, 2})})[0]) == Doubles{0, 0});
}

TEST_CASE("leaves are left alone, and so are the graphs of inputs") {
  const NothingLeft check;
  const Tensor leaf = vector({1, 2}).requires_grad_();
  const Tensor inner = leaf * 3;
  const Tensor g = functional::grad(cubic)({inner, vector({1, 1})})[0];
  CHECK_FALSE(leaf.grad().defined());
  CHECK(values(g) == Doubles{6, 12});
  sum(g).backward();  // g = 2 (3 leaf), recorded since `inner` requires a gradient
  CHECK(values(leaf.grad()) == Doubles{6, 6});
}

TEST_CASE("vjp and jvp are the two sides of the Jacobian") {
  const NothingLeft check;
  const Tensors x{vector({0.5, -1}), vector({2, 3})};
  const Tensors v{vector({1, 10}), vector({100, 1000})};
  const Tensors products = functional::vjp(pair, x, v);
  CHECK(values(products[0])[0] == Approx(1 * 2 + 100 * std::cos(0.5)));
  CHECK(values(products[0])[1] == Approx(10 * 3 + 1000 * std::cos(-1)));
  CHECK(values(products[1]) == Doubles{0.5, -10});
  const Tensors t{vector({1, 2}), vector({3, 4})};
  const Tensors along = functional::jvp(pair, x, t);
  CHECK(values(along[0]) == Doubles{1 * 2 + 0.5 * 3, 2 * 3 + -1 * 4});
  CHECK(values(along[1])[1] == Approx(2 * std::cos(-1)));
  // v . (J t) = (J' v) . t
  const double left = sum(v[0] * along[0]).item() + sum(v[1] * along[1]).item();
  const double right = sum(products[0] * t[0]).item() + sum(products[1] * t[1]).item();
  CHECK(left == Approx(right).epsilon(1e-12));
}

TEST_CASE("vjp, jvp and hvp can be differentiated") {
  const NothingLeft check;
  const Tensors x{vector({0.5, -1}).requires_grad_(), vector({2, 3}).requires_grad_()};
  const Tensors t{vector({1, 2}), vector({3, 4})};
  CHECK(gradcheck([&](const Tensors& y) { return functional::vjp(pair, y, t); }, x));
  CHECK(gradcheck([&](const Tensors& y) { return functional::jvp(pair, y, t); }, x));
  CHECK(gradcheck([&](const Tensors& y) { return functional::hvp(cubic, y, t); }, x));
}

TEST_CASE("the Jacobian has a row an element of the output, and the Hessian is its own") {
  const NothingLeft check;
  const Tensors x{vector({2, 3}), vector({5, 7})};
  const auto j = functional::jacobian(pair, x);
  REQUIRE(j.size() == 2);
  CHECK(j[0][0].shape() == Shape{2, 2});
  CHECK(values(j[0][0]) == Doubles{5, 0, 0, 7});
  CHECK(values(j[0][1]) == Doubles{2, 0, 0, 3});
  CHECK(values(j[1][1]) == Doubles{0, 0, 0, 0});
  const auto h = functional::hessian(cubic, x);
  CHECK(values(h[0][0]) == Doubles{10, 0, 0, 14});
  CHECK(values(h[0][1]) == Doubles{4, 0, 0, 6});
  CHECK(values(h[1][0]) == values(h[0][1]));
  CHECK(values(h[1][1]) == Doubles{0, 0, 0, 0});
  const Tensors t{vector({1, -1}), vector({2, 0.5})};
  const Tensors product = functional::hvp(cubic, x, t);
  CHECK(values(product[0]) == Doubles{10 * 1 + 4 * 2, 14 * -1 + 6 * 0.5});
  CHECK(values(product[1]) == Doubles{4 * 1, 6 * -1});
}

TEST_CASE("a Jacobian of nothing, and of a scalar") {
  const NothingLeft check;
  const auto square_of = [](const Tensors& x) { return square(x[0]); };
  CHECK(functional::jacobian(square_of, {scalar(3, DType::float64)})[0][0].item() == 6);
  CHECK(functional::jacobian(square_of, {vector({})})[0][0].shape() == Shape{0, 0});
}

TEST_CASE("what cannot be differentiated so is told") {
  const Tensors x{vector({1, 2})};
  const auto same = [](const Tensors& y) { return y; };
  CHECK_THROWS_WITH_AS(functional::grad(same)(x), Contains("a tensor of shape [2], and must"),
                       Error);
  CHECK_THROWS_WITH_AS(functional::vjp(same, x, {}), Contains("0 vectors for 1 outputs"), Error);
  CHECK_THROWS_WITH_AS(functional::jvp(same, x, {vector({1})}),
                       Contains("tangent 0 is float64 [1], the input float64 [2]"), Error);
}

}  // namespace
}  // namespace attune
