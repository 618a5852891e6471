// What losses say of arguments that do not fit, and what they are at the edges. Their values are
// held against PyTorch's in tests/conformance, their derivatives by the gradcheck table.

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "tests/autograd/misuse.h"

using namespace attune;
using attune::testing::check_misuse;

TEST_CASE("predictions and targets of different shapes are an error") {
  const Tensor x = ones({3, 1});
  const Tensor y = ones({3});
  check_misuse([&] { mse_loss(x, y); },
               "mse_loss: the predictions [3, 1] and the targets [3] differ in shape");
  check_misuse([&] { kl_div(x, y); }, "kl_div: the predictions");
  check_misuse([&] { smooth_l1_loss(y, y, -1); }, "beta is -1, and must not be negative");
  check_misuse([&] { mse_loss(y, ones({3}, DType::float64)); }, "the dtypes differ");
}

TEST_CASE("classes that do not exist are an error, but for those to be ignored") {
  const Tensor scores = ones({2, 3});
  const Tensor targets = tensor({0, 7}, DType::int64);
  check_misuse([&] { nll_loss(scores, targets); },
               "nll_loss: target 7 (element 1 of [2]) is none of the 3 classes");
  check_misuse([&] { cross_entropy(scores, targets); }, "cross_entropy: target 7");
  check_misuse([&] { nll_loss(scores, ones({2})); }, "targets float32 [2] do not belong together");
  CHECK(nll_loss(scores, targets, 7).item() == -1);
}

TEST_CASE("a logit of -inf leaves cross_entropy and both its derivatives finite") {
  const Tensor logits = tensor({{-INFINITY, 1, 2}}, DType::float64).requires_grad_();
  const Tensor loss = cross_entropy(logits, tensor({2}, DType::int64));
  const Tensor by_logits = grad(loss, logits, {.create_graph = true});
  const Tensor again = grad(sum(square(by_logits)), logits);
  for (const Tensor& finite : {loss, by_logits, again}) {
    for (const double value : finite.to_vector<double>()) CHECK(std::isfinite(value));
  }
}

TEST_CASE("extreme logits have finite binary cross-entropies") {
  const Tensor x = tensor({-800, 800, 0}, DType::float64);
  const Tensor losses =
      binary_cross_entropy_with_logits(x, tensor({1, 1, 0.5}, DType::float64), Reduction::none);
  CHECK(losses.to_vector<double>() == std::vector<double>{800, 0, std::log(2.0)});
}
