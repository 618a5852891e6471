// The normalisation kernels against the compositions that define them.

#include "autograd/fused/norm.h"

#include <doctest/doctest.h>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "tests/autograd/misuse.h"
#include "tests/difference.h"

using namespace attune;
using attune::testing::check_misuse;

namespace {

Tensor random_leaf(const Shape& shape) {
  return randn(shape, 0, 1, DType::float64).requires_grad_();
}

const std::vector<Shape> shapes{{1}, {7}, {3, 5}, {2, 3, 40}, {300, 70}, {0, 4}, {4, 0}};

void check_same(const Tensor& kernel, const Tensor& composition,
                const std::vector<Tensor>& inputs) {
  CAPTURE(to_string(inputs[0].shape()));
  CHECK(difference(kernel, composition) < tolerance);
  const GradOptions incoming{.gradients = {randn(kernel.shape(), 0, 1, DType::float64)}};
  const std::vector<Tensor> ours = grad({kernel}, inputs, incoming);
  const std::vector<Tensor> theirs = grad({composition}, inputs, incoming);
  for (std::size_t i = 0; i < inputs.size(); ++i) CHECK(difference(ours[i], theirs[i]) < 1e-11);
}

}  // namespace

TEST_CASE("layer_norm computes its composition") {
  for (const Shape& shape : shapes) {
    const Tensor x = random_leaf(shape);
    const Tensor weight = random_leaf({shape.back()});
    const Tensor bias = random_leaf({shape.back()});
    check_same(layer_norm(x, weight, bias, 0.1), layer_norm_composition(x, weight, bias, 0.1),
               {x, weight, bias});
    check_same(layer_norm(x, weight, {}, 0.1), layer_norm_composition(x, weight, {}, 0.1),
               {x, weight});
    check_same(layer_norm(x, {}, bias, 0.1), layer_norm_composition(x, {}, bias, 0.1), {x, bias});
    check_same(layer_norm(x, {}, {}, 0.1), layer_norm_composition(x, {}, {}, 0.1), {x});
  }
}

TEST_CASE("rms_norm computes its composition") {
  for (const Shape& shape : shapes) {
    const Tensor x = random_leaf(shape);
    const Tensor weight = random_leaf({shape.back()});
    check_same(rms_norm(x, weight, 0.1), rms_norm_composition(x, weight, 0.1), {x, weight});
    check_same(rms_norm(x, {}, 0.1), rms_norm_composition(x, {}, 0.1), {x});
  }
}

TEST_CASE("a normalised row has mean 0 and variance 1, far from 0 and in float32 too") {
  const Tensor y = layer_norm(randn({4, 256}, 1000, 3));
  for (const double m : mean(y, {1}).to_vector<double>())
    CHECK(m == doctest::Approx(0).epsilon(1e-3));
  for (const double v : var(y, {1}, false).to_vector<double>()) {
    CHECK(v == doctest::Approx(1).epsilon(1e-3));
  }
}

TEST_CASE("weights that do not fit the features are an error") {
  const Tensor x = ones({2, 3});
  check_misuse([&] { layer_norm(x, ones({2})); },
               "layer_norm: the weight [2] does not fit the 3 features of [2, 3]");
  check_misuse([&] { layer_norm(x, {}, ones({3}, DType::float64)); }, "the dtypes differ");
  check_misuse([&] { layer_norm(scalar(1)); }, "layer_norm: a scalar has no features to normalise");
  check_misuse([&] { rms_norm(x, {}, -1); }, "rms_norm: eps is -1, and must not be negative");
}
