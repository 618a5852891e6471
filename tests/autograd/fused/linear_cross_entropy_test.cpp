// The fused loss against its composition: values, gradients, second derivatives, ignored targets.

#include "autograd/fused/linear_cross_entropy.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

namespace {

constexpr std::int64_t ignored = 0;

std::vector<Tensor> leaves(const Shape& rows, std::int64_t features, std::int64_t classes) {
  Shape of_x = rows;
  of_x.push_back(features);
  std::vector<Tensor> result;
  for (const Shape& shape : {of_x, Shape{classes, features}, Shape{classes}}) {
    result.push_back(randn(shape, 0, 1, DType::float64).requires_grad_());
  }
  return result;
}

}  // namespace

TEST_CASE("the kernel computes what the composition says, forward and backward") {
  manual_seed(141);
  for (const Shape& rows : {Shape{4, 3}, Shape{1}, Shape{700}, Shape{}, Shape{2, 0}}) {
    for (const double smoothing : {0.0, 0.3}) {
      CAPTURE(to_string(rows));
      CAPTURE(smoothing);
      const std::vector<Tensor> in = leaves(rows, 5, 7);
      const Tensor targets = random_targets(rows, 7);
      const Tensor fused = linear_cross_entropy(in[0], in[1], in[2], targets, ignored, smoothing);
      const Tensor defined =
          linear_cross_entropy_composition(in[0], in[1], in[2], targets, ignored, smoothing);
      if (std::isnan(defined.item())) {
        CHECK(std::isnan(fused.item()));
        continue;
      }
      CHECK(difference(fused, defined) < 1e-12);
      const Tensor g = scalar(1.7, DType::float64);
      const auto by_kernel = functional::pull_back({fused}, in, {g});
      const auto by_composition = functional::pull_back({defined}, in, {g});
      for (std::size_t i = 0; i < in.size(); ++i) {
        CAPTURE(i);
        CHECK(difference(by_kernel[i], by_composition[i]) < 1e-12);
      }
    }
  }
}

TEST_CASE("where every target is ignored there is no mean, and the gradient is 0") {
  const std::vector<Tensor> in = leaves({3}, 2, 4);
  const Tensor loss = linear_cross_entropy(in[0], in[1], in[2], zeros({3}, DType::int64), ignored);
  CHECK(std::isnan(loss.item()));
  for (const Tensor& g : functional::pull_back({loss}, in, {scalar(1, DType::float64)})) {
    CHECK(difference(g, zeros(g.shape(), DType::float64)) == 0);
  }
}

TEST_CASE("first and second derivatives agree with differences") {
  manual_seed(142);
  const Tensor targets = tensor({1, 0, 3, 2}, DType::int64);
  const auto f = [&](const std::vector<Tensor>& x) {
    return linear_cross_entropy(x[0], x[1], x[2], targets, ignored, 0.1);
  };
  const std::vector<Tensor> in = leaves({4}, 3, 4);
  CHECK(gradcheck(f, in));
  CHECK(gradgradcheck(f, in));
}

TEST_CASE("misuse is told") {
  const Tensor x = zeros({3, 2}), w = zeros({4, 2}), b = zeros({4});
  CHECK_THROWS_WITH_AS(linear_cross_entropy(x, w, b, tensor({1, 2, 4}, DType::int64)),
                       doctest::Contains("target 2 is 4, and there are 4 classes"), Error);
  CHECK_THROWS_WITH_AS(linear_cross_entropy(x, w, zeros({3}), tensor({1, 2, 3}, DType::int64)),
                       doctest::Contains("do not fit each other"), Error);
  CHECK_THROWS_AS(linear_cross_entropy(x, w, b, tensor({1, 2, 3}, DType::int64), -1, 2), Error);
}
