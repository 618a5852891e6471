// Fused attention over packed rows against its composition: values, gradients, second derivatives,
// lengths, heads, causality, factors.

#include "autograd/fused/attention.h"

#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

namespace {

Steps by_row(const std::vector<std::int64_t>& lengths, std::int64_t time) {
  const auto batch = static_cast<std::int64_t>(lengths.size());
  return Steps(batch, time, from_vector(lengths, {batch}), StepOrder::by_row);
}

std::vector<RowAttention> attention_cases() {
  const Steps some = by_row({3, 0, 5, 1}, 5), others = by_row({2, 4, 0, 7}, 7);
  return {{Steps(2, 3, {}, StepOrder::by_row), Steps(2, 4, {}, StepOrder::by_row), 2, 0.5},
          {some, others, 2, 0.7},
          {some, some, 4, 0.3, true},
          {by_row({2, 1}, 2), by_row({5, 3}, 5), 1, 1, true},  // new steps after some past ones
          {by_row({3, 2}, 3), by_row({2, 1}, 2), 1, 1, true},  // the first query sees nothing
          {by_row({40}, 40), by_row({50}, 50), 2, 0.2},        // beyond one tile
          {by_row({}, 3), by_row({}, 3), 2, 1}};
}

// Queries, keys and values of 4 features.
std::vector<Tensor> attention_inputs(const RowAttention& how) {
  std::vector<Tensor> result;
  for (const std::int64_t rows :
       {how.of_queries.count(), how.of_keys.count(), how.of_keys.count()}) {
    result.push_back(randn({rows, 4}, 0, 1, DType::float64).requires_grad_());
  }
  return result;
}

}  // namespace

TEST_CASE("the kernel computes what the composition says, forward and backward") {
  manual_seed(221);
  for (const RowAttention& how : attention_cases()) {
    for (const bool with_factors : {false, true}) {
      CAPTURE(how.of_queries.count());
      CAPTURE(with_factors);
      const Tensor factors = with_factors ? randn({how.weights()}, 1, 1, DType::float64) : Tensor();
      const std::vector<Tensor> in = attention_inputs(how);
      const Tensor fused = row_attention(in[0], in[1], in[2], how, factors);
      const Tensor defined = row_attention_composition(in[0], in[1], in[2], how, factors);
      CHECK(difference(fused, defined) < 1e-12);
      const Tensor g = randn(fused.shape(), 0, 1, DType::float64);
      const auto by_kernel = functional::pull_back({fused}, in, {g});
      const auto by_composition = functional::pull_back({defined}, in, {g});
      for (std::size_t i = 0; i < in.size(); ++i) {
        CAPTURE(i);
        CHECK(difference(by_kernel[i], by_composition[i]) < 1e-12);
      }
      const auto narrow = [](const Tensor& x) { return x.detach().to(DType::float32); };
      const Tensor single = row_attention(narrow(in[0]), narrow(in[1]), narrow(in[2]), how,
                                          with_factors ? narrow(factors) : Tensor());
      CHECK(difference(single.to(DType::float64), defined) < 1e-5);
    }
  }
}

TEST_CASE("parts of one matrix are read where they lie, and transposed rows from a copy") {
  manual_seed(223);
  const Steps steps = by_row({3, 1, 4}, 4);
  const RowAttention how{steps, steps, 2, 0.6, true};
  const Tensor all = randn({8, 12}, 0, 1, DType::float64).requires_grad_();
  const Tensor across = randn({4, 8}, 0, 1, DType::float64).requires_grad_();
  const auto attended = [&](const auto& f) {
    const std::vector<Tensor> parts = split(all, {4, 4, 4}, 1);
    const Tensor apart = f(parts[0], parts[1], parts[2], how, Tensor());
    return apart + f(parts[0], transpose(across), parts[2], how, Tensor());
  };
  const Tensor fused = attended([](const auto&... x) { return row_attention(x...); });
  const Tensor defined = attended([](const auto&... x) { return row_attention_composition(x...); });
  CHECK(difference(fused, defined) < 1e-12);
  const Tensor g = randn(fused.shape(), 0, 1, DType::float64);
  const auto by_kernel = functional::pull_back({fused}, {all, across}, {g});
  const auto by_composition = functional::pull_back({defined}, {all, across}, {g});
  CHECK(difference(by_kernel[0], by_composition[0]) < 1e-12);
  CHECK(difference(by_kernel[1], by_composition[1]) < 1e-12);
}

TEST_CASE("first and second derivatives agree with differences") {
  manual_seed(222);
  for (const bool causal : {false, true}) {
    const Steps steps = by_row({2, 0, 3}, 3);
    const RowAttention how{steps, steps, 2, 0.6, causal};
    const Tensor factors = rand({how.weights()}).to(DType::float64);
    const auto f = [&](const std::vector<Tensor>& x) {
      return row_attention(x[0], x[1], x[2], how, factors);
    };
    const std::vector<Tensor> in = attention_inputs(how);
    CHECK(gradcheck(f, in));
    CHECK(gradgradcheck(f, in));
  }
}

TEST_CASE("what does not fit is told") {
  const Steps steps = by_row({2, 1}, 2);
  const RowAttention how{steps, steps, 2, 1};
  const Tensor x = zeros({3, 4});
  CHECK_NOTHROW(row_attention(x, x, x, how));
  CHECK_THROWS_WITH_AS(row_attention(x, zeros({2, 4}), x, how),
                       doctest::Contains("queries [3, 4], keys [2, 4] and values [3, 4]"), Error);
  CHECK_THROWS_WITH_AS(row_attention(x, x, x, {steps, steps, 3, 1}), doctest::Contains("3 heads"),
                       Error);
  CHECK_THROWS_WITH_AS(row_attention(x, x, x, {steps, Steps(2, 2), 2, 1}),
                       doctest::Contains("StepOrder::by_row"), Error);
  CHECK_THROWS_WITH_AS((RowAttention{steps, by_row({2, 1, 1}, 2), 2, 1}.weights()),
                       doctest::Contains("2 rows of queries and 3 of keys"), Error);
  CHECK_THROWS_WITH_AS(row_attention(x, x, x, how, zeros({4})),
                       doctest::Contains("the factors are float32 [4], and must be float32 [10]"),
                       Error);
}
