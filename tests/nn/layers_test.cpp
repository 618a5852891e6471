// The layers of one formula: linear, embedding, dropout, and how parameters begin.

#include <doctest/doctest.h>

#include "autograd/random.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;

namespace {

Tensor ids(const std::vector<std::int64_t>& values) {
  return from_vector(values, {static_cast<std::int64_t>(values.size())});
}

}  // namespace

TEST_CASE("Linear is x W^T + b over any leading dimensions") {
  manual_seed(31);
  const Linear linear(3, 2);
  const Tensor x = randn({4, 5, 3});
  const Tensor y = linear.forward(x);
  REQUIRE(y.shape() == Shape{4, 5, 2});
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 5; ++j) {
      for (std::int64_t k = 0; k < 2; ++k) {
        double expected = linear.bias.at({k});
        for (std::int64_t l = 0; l < 3; ++l) expected += linear.weight.at({k, l}) * x.at({i, j, l});
        CHECK(y.at({i, j, k}) == doctest::Approx(expected).epsilon(1e-5));
      }
    }
  }
  const Linear without_bias(3, 2, false);
  CHECK(without_bias.parameter_count() == 6);
  CHECK(difference(without_bias.forward(zeros({1, 3})), zeros({1, 2})) == 0);
  CHECK_THROWS_WITH_AS(linear.forward(zeros({1, 4})), doctest::Contains("[1, 4]"), Error);
}

TEST_CASE("Linear begins uniform within 1 / sqrt(in)") {
  manual_seed(32);
  const Linear linear(100, 50);
  CHECK(amax(abs(linear.weight)).item() <= 0.1);
  CHECK(amax(abs(linear.weight)).item() > 0.099);
  CHECK(mean(square(linear.weight)).item() == doctest::Approx(0.01 / 3).epsilon(0.05));
  CHECK(amax(abs(linear.bias)).item() <= 0.1);
}

TEST_CASE("Embedding looks rows up, and its padding stays zero without gradient") {
  manual_seed(33);
  const Embedding embedding(5, 3, 0);
  CHECK(amax(abs(select(embedding.weight, 0, 0))).item() == 0);
  const Tensor rows = embedding.forward(ids({4, 0, 4, 1}));
  CHECK(difference(select(rows, 0, 0), select(embedding.weight, 0, 4)) == 0);
  CHECK(difference(select(rows, 0, 3), select(embedding.weight, 0, 1)) == 0);
  sum(rows).backward();
  const Tensor counts = tensor({0, 1, 0, 0, 2});
  CHECK(difference(embedding.weight.grad(), expand(unsqueeze(counts, 1), {5, 3})) == 0);
  CHECK_THROWS_WITH_AS(embedding.forward(ids({5})), doctest::Contains("5"), Error);

  const Embedding without_padding(2, 2);
  sum(without_padding.forward(ids({0}))).backward();
  CHECK(without_padding.weight.grad().at({0, 0}) == 1);
}

TEST_CASE("Dropout keeps the expectation, and is the identity in evaluation") {
  manual_seed(34);
  Dropout dropout(0.25);
  const Tensor x = ones({200, 500});
  const Tensor y = dropout.forward(x);
  const double kept = sum(gt(y, 0).to(DType::float64)).item() / 1e5;
  CHECK(kept == doctest::Approx(0.75).epsilon(0.01));
  CHECK(mean(y).item() == doctest::Approx(1).epsilon(0.01));
  const double scaled = 1 / 0.75;
  CHECK(amax(y).item() == doctest::Approx(scaled));
  CHECK(difference(dropout.forward(x), y) > 0);
  dropout.eval();
  CHECK(dropout.forward(x).handle() == x.handle());
  CHECK(Dropout(0).forward(x).handle() == x.handle());
}

TEST_CASE("Dropout drops the same elements for the same seed, forward and backward") {
  const Dropout dropout(0.5);
  manual_seed(35);
  const Tensor first = dropout.forward(ones({64}));
  manual_seed(35);
  const Tensor x = ones({64}).requires_grad_();
  const Tensor second = dropout.forward(x);
  CHECK(difference(first, second) == 0);
  sum(second).backward();
  CHECK(difference(x.grad(), first) == 0);
  CHECK(dropout.forward(ones({2}, DType::float64)).dtype() == DType::float64);
}

TEST_CASE("Dropout refuses what is no probability") {
  for (const double p : {-0.1, 1.0, 1.5}) {
    CHECK_THROWS_WITH_AS(Dropout{p}, doctest::Contains("must lie in [0, 1)"), Error);
  }
  CHECK_THROWS_AS(Dropout{std::nan("")}, Error);
}

TEST_CASE("initial values have the ranges and moments they are named for") {
  manual_seed(36);
  CHECK(amax(abs(init::uniform({1000}, 0.5))).item() <= 0.5);
  const double bound = std::sqrt(6.0 / 300);
  const Tensor xavier = init::xavier_uniform({100, 200});
  CHECK(amax(abs(xavier)).item() <= bound);
  CHECK(amax(abs(xavier)).item() > 0.99 * bound);
  const Tensor normal = init::normal({100, 100}, 3);
  CHECK(mean(normal).item() == doctest::Approx(0).epsilon(0.1));
  CHECK(mean(square(normal)).item() == doctest::Approx(9).epsilon(0.05));
}
