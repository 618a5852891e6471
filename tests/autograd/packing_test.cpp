// Packed weights are kept while their elements stay, and no longer.
#include "autograd/packing.h"

#include <doctest/doctest.h>

#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

TEST_CASE("a packing is found again until an element changes") {
  manual_seed(221);
  Tensor weight = randn({20, 30});
  const NoGrad no_grad;
  const auto first = packed<float>(weight);
  CHECK(packed<float>(weight) == first);
  CHECK(packed<float>(transpose(weight)) != first);
  CHECK(packed<float>(weight) == first);
  weight.mul_(2);
  CHECK(packed<float>(weight) != first);
}

TEST_CASE("a matrix is packed when it is asked for a second time, and nothing is being recorded") {
  manual_seed(222);
  const Tensor weight = randn({20, 30});
  CHECK(packed_if_reused(weight) == nullptr);
  CHECK(packed_if_reused(weight) == nullptr);
  const NoGrad no_grad;
  CHECK(packed_if_reused(weight) == nullptr);
  const auto second = packed_if_reused(weight);
  CHECK(second != nullptr);
  CHECK(packed_if_reused(weight) == second);
}

TEST_CASE("products and layers see every change of their weights") {
  manual_seed(223);
  Tensor weight = randn({40, 50});
  const Tensor x = randn({3, 50}), bias = randn({40});
  const NoGrad no_grad;
  for (int round = 0; round < 4; ++round) {
    for (int again = 0; again < 3; ++again) {
      const Tensor expected = sum(unsqueeze(x, 1) * unsqueeze(weight, 0), {2});
      CHECK(difference(matmul(x, transpose(weight)), expected) < 1e-4);
      CHECK(difference(linear(x, weight, bias), expected + bias) < 1e-4);
    }
    weight.add_(randn({40, 50}));
  }
}

TEST_CASE("a product has the same bits when its matrix is first multiplied by and ever after") {
  manual_seed(224);
  const NoGrad no_grad;
  for (const std::int64_t rows : {1, 3, 40, 128, 129}) {
    CAPTURE(rows);
    const Tensor x = randn({rows, 600}), weight = randn({70, 600}), bias = randn({70});
    const std::vector<float> first = linear(x, weight, bias).to_vector<float>();
    for (int again = 0; again < 3; ++again) {
      CHECK(linear(x, weight, bias).to_vector<float>() == first);
    }
  }
}
