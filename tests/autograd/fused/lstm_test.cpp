// The fused LSTM against its composition: values, gradients, second derivatives.

#include "autograd/fused/lstm.h"

#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

namespace {

// The inputs of a sequence, as leaves of float64.
std::vector<Tensor> inputs_of(std::int64_t batch, std::int64_t time, std::int64_t hidden) {
  std::vector<Tensor> inputs;
  for (const Shape& shape : {Shape{batch, time, 4 * hidden}, Shape{batch, hidden},
                             Shape{batch, hidden}, Shape{4 * hidden, hidden}, Shape{4 * hidden}}) {
    inputs.push_back(randn(shape, 0, 1, DType::float64).requires_grad_());
  }
  return inputs;
}

std::vector<Tensor> outputs_of(const LSTMSequence& run) {
  return {run.output, run.state, run.cell};
}

struct LstmCase {
  std::int64_t batch, time, hidden;
  Tensor lengths;
  bool reverse;
};

std::vector<LstmCase> cases() {
  std::vector<LstmCase> all;
  for (const bool reverse : {false, true}) {
    all.push_back({3, 4, 2, {}, reverse});
    all.push_back({3, 4, 5, tensor({4, 0, 2}, DType::int64), reverse});
    all.push_back({1, 1, 1, {}, reverse});
    all.push_back({2, 0, 3, {}, reverse});
    all.push_back({70, 3, 4, {}, reverse});  // more rows than one thread takes
  }
  return all;
}

}  // namespace

TEST_CASE("the kernel computes what the composition says, forward and backward") {
  manual_seed(91);
  for (const LstmCase& c : cases()) {
    CAPTURE(c.batch);
    CAPTURE(c.time);
    CAPTURE(c.reverse);
    const std::vector<Tensor> in = inputs_of(c.batch, c.time, c.hidden);
    const auto fused =
        outputs_of(lstm_sequence(in[0], in[1], in[2], in[3], in[4], c.lengths, c.reverse));
    const auto defined = outputs_of(
        lstm_sequence_composition(in[0], in[1], in[2], in[3], in[4], c.lengths, c.reverse));
    std::vector<Tensor> weights;
    for (std::size_t k = 0; k < 3; ++k) {
      CHECK(difference(fused[k], defined[k]) < 1e-12);
      weights.push_back(randn(fused[k].shape(), 0, 1, DType::float64));
    }
    const auto by_kernel = functional::pull_back(fused, in, weights);
    const auto by_composition = functional::pull_back(defined, in, weights);
    for (std::size_t i = 0; i < in.size(); ++i) {
      CHECK(difference(by_kernel[i], by_composition[i]) < 1e-12);
    }
  }
}

TEST_CASE("each output alone sends its gradient back") {
  manual_seed(92);
  const std::vector<Tensor> in = inputs_of(2, 3, 2);
  const auto run = [&](auto* function) {
    return outputs_of(function(in[0], in[1], in[2], in[3], in[4], Tensor(), false));
  };
  for (std::size_t k = 0; k < 3; ++k) {
    const Tensor a = outputs_of(lstm_sequence(in[0], in[1], in[2], in[3], in[4], {}, false))[k];
    const Tensor b = run(&lstm_sequence_composition)[k];
    const Tensor ones_like = ones(a.shape(), DType::float64);
    const auto found = functional::pull_back({a}, in, {ones_like});
    const auto expected = functional::pull_back({b}, in, {ones_like});
    for (std::size_t i = 0; i < in.size(); ++i) CHECK(difference(found[i], expected[i]) < 1e-12);
  }
}

TEST_CASE("first and second derivatives agree with differences") {
  manual_seed(93);
  const Tensor lengths = tensor({3, 1}, DType::int64);
  for (const bool reverse : {false, true}) {
    const auto f = [&](const std::vector<Tensor>& x) {
      return outputs_of(lstm_sequence(x[0], x[1], x[2], x[3], x[4], lengths, reverse));
    };
    const std::vector<Tensor> in = inputs_of(2, 3, 2);
    CHECK(gradcheck(f, in));
    CHECK(gradgradcheck(f, in));
  }
}

TEST_CASE("shapes that do not fit are told") {
  const Tensor x = zeros({2, 3, 8}), h = zeros({2, 2}), w = zeros({8, 2}), b = zeros({8});
  const auto with = [&](const Tensor& input, const Tensor& cell, const Tensor& lengths) {
    lstm_sequence(input, h, cell, w, b, lengths, false);
  };
  CHECK_THROWS_WITH_AS(with(x, zeros({2, 3}), {}), doctest::Contains("do not fit each other"),
                       Error);
  CHECK_THROWS_WITH_AS(with(x, h, tensor({1, 4}, DType::int64)),
                       doctest::Contains("the length 4 does not lie within 0 and the 3 steps"),
                       Error);
}
