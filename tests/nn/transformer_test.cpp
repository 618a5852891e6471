// The transformer step by step and all at once, masks, and positions.

#include "nn/transformer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/random.h"
#include "nn/position.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;

namespace {

TransformerOptions small(bool norm_first) {
  return {.features = 8, .heads = 2, .feedforward = 12, .dropout = 0, .norm_first = norm_first};
}

}  // namespace

TEST_CASE("decoding one step at a time from the cache is decoding all at once") {
  for (const bool norm_first : {false, true}) {
    manual_seed(101);
    TransformerDecoder decoder(small(norm_first), 2);
    decoder.to(DType::float64);
    const Tensor memory = randn({3, 4, 8}, 0, 1, DType::float64);
    const Tensor mask = unsqueeze(padding_mask(tensor({4, 2, 3}, DType::int64), 4), 1);
    const Tensor x = randn({3, 5, 8}, 0, 1, DType::float64);
    TransformerDecoder::Cache whole = decoder.begin(memory);
    const auto all = decoder.forward(x, whole, mask);
    TransformerDecoder::Cache cache = decoder.begin(memory);
    for (std::int64_t t = 0; t < 5; ++t) {
      const auto step = decoder.forward(slice(x, 1, t, t + 1), cache, mask);
      CHECK(difference(step.output, slice(all.output, 1, t, t + 1)) < 1e-12);
      CHECK(difference(step.weights, slice(all.weights, 1, t, t + 1)) < 1e-12);
    }
    CHECK(cache.past[0].keys.size(-2) == 5);
    // Two steps and then three are the same again.
    TransformerDecoder::Cache parts = decoder.begin(memory);
    decoder.forward(slice(x, 1, 0, 2), parts, mask);
    const auto rest = decoder.forward(slice(x, 1, 2, 5), parts, mask);
    CHECK(difference(rest.output, slice(all.output, 1, 2, 5)) < 1e-12);
  }
}

TEST_CASE("each row of the weights is a distribution over the real source") {
  manual_seed(102);
  TransformerDecoder decoder(small(true), 1);
  TransformerDecoder::Cache cache = decoder.begin(randn({2, 3, 8}));
  const Tensor mask = unsqueeze(padding_mask(tensor({3, 1}, DType::int64), 3), 1);
  const Tensor weights = decoder.forward(randn({2, 4, 8}), cache, mask).weights;
  CHECK(difference(sum(weights, {2}), ones({2, 4})) < 1e-6);
  CHECK(amax(slice(select(weights, 0, 1), 1, 1, 3)).item() == 0);
}

TEST_CASE("a causal mask hides what comes after, and ends with the last key") {
  CHECK(causal_mask(2, 2).to_vector<bool>() == std::vector{false, true, false, false});
  CHECK(causal_mask(2, 3).to_vector<bool>() ==
        std::vector{false, false, true, false, false, false});
}

TEST_CASE("features that cannot be shared out among heads are refused") {
  CHECK_THROWS_WITH_AS(MultiheadAttention(8, 3),
                       "MultiheadAttention: 8 features cannot be shared out among 3 heads. Choose "
                       "a multiple.",
                       Error);
}

TEST_CASE("sinusoidal positions are the paper's") {
  const Tensor p = sinusoidal_positions(3, 4, 5, DType::float64);
  CHECK(p.at({0, 0}) == doctest::Approx(std::sin(5.0)));
  CHECK(p.at({0, 1}) == doctest::Approx(std::cos(5.0)));
  CHECK(p.at({2, 2}) == doctest::Approx(std::sin(7 / 100.0)));
  CHECK(p.at({2, 3}) == doctest::Approx(std::cos(7 / 100.0)));
  CHECK(sinusoidal_positions(2, 3).shape() == Shape{2, 3});
}

TEST_CASE("products of rotated vectors depend on their distance alone") {
  manual_seed(103);
  const Tensor q = randn({1, 6}, 0, 1, DType::float64), k = randn({1, 6}, 0, 1, DType::float64);
  const auto product = [&](std::int64_t at, std::int64_t other) {
    return sum(rotary(q, at) * rotary(k, other)).item();
  };
  CHECK(product(7, 3) == doctest::Approx(product(104, 100)).epsilon(1e-10));
  CHECK(product(7, 3) != doctest::Approx(product(7, 4)).epsilon(1e-3));
  CHECK(difference(rotary(q, 0), q) == 0);
  CHECK_THROWS_AS(rotary(ones({2, 3})), Error);
}
