// Ops where a formula alone would divide nothing by nothing.

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/engine.h"
#include "autograd/ops.h"

using namespace attune;

namespace {

Tensor scalar_leaf(double value) {
  return scalar(value, DType::float64).requires_grad_();
}

}  // namespace

TEST_CASE("x^p at 0 has the derivatives of its limits") {
  const Tensor zero = scalar_leaf(0);
  const Tensor p = scalar_leaf(0);
  CHECK(pow(zero, p).item() == 1);
  CHECK(grad(pow(zero, p), zero).item() == 0);
  CHECK(grad(pow(zero, p), p).item() == 0);
  CHECK(grad(pow(zero, scalar_leaf(2)), zero).item() == 0);
  const Tensor two = scalar_leaf(2);
  CHECK(grad(pow(zero, two), two).item() == 0);
}

TEST_CASE("the logsumexp of nothing but -inf is -inf, and grows with none of them") {
  const Tensor x = full({2, 3}, -INFINITY, DType::float64).requires_grad_();
  const Tensor y = logsumexp(x, {1});
  CHECK(y.to_vector<double>() == std::vector<double>(2, -INFINITY));
  CHECK(grad(sum(y), x).to_vector<double>() == std::vector<double>(6, 0));
}

TEST_CASE("bounds in the wrong order clamp to the upper one") {
  CHECK(clamp(tensor({-5, 0, 5}), 2, 1).to_vector<double>() == std::vector<double>{1, 1, 1});
}

TEST_CASE("a scalar passes for a row of one in reductions") {
  const Tensor x = scalar_leaf(3);
  for (const std::int64_t dim : {0, -1}) {
    CHECK(sum(x, {dim}).item() == 3);
    CHECK(amax(x, {dim}, true).shape() == Shape{});
    CHECK(logsumexp(x, {dim}).item() == 3);
    CHECK(var(x, {dim}, false).item() == 0);
    CHECK(cumsum(x, dim).item() == 3);
    CHECK(argmax(x, dim).item() == 0);
  }
}

TEST_CASE("the unbiased variance of one number, and any of none, is no number") {
  CHECK(std::isnan(var(scalar_leaf(3)).item()));
  CHECK(std::isnan(var(zeros({0})).item()));
  CHECK(std::isnan(var(zeros({0}), {}, false).item()));
}

TEST_CASE("what is no number is the largest and the smallest of all") {
  const Tensor x = tensor({1, NAN, 3, NAN}, DType::float64);
  const Tensor y = tensor({NAN, 0, 2, NAN}, DType::float64);
  const auto is_nan = [](const Tensor& t) { return ne(t, t).to_vector<bool>(); };
  CHECK(is_nan(maximum(x, y)) == std::vector<bool>{true, true, false, true});
  CHECK(is_nan(minimum(x, y)) == std::vector<bool>{true, true, false, true});
  CHECK(std::isnan(amax(x).item()));
  CHECK(argmax(x, 0).item() == 1);
  CHECK(topk(x, 3).indices.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 3, 2});
}
