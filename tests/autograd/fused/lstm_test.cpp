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

// A sequence by the kernel or by its composition, as batches that are padded, in and out.
enum class By { kernel, composition };
std::vector<Tensor> run(By by, const std::vector<Tensor>& x, const Tensor& lengths, bool reverse) {
  const Steps steps(x[0].size(0), x[0].size(1), lengths,
                    reverse ? StepOrder::reverse : StepOrder::forward);
  const Tensor input = pack(x[0], steps);
  const LSTMSequence all = by == By::kernel
                               ? lstm_sequence(input, x[1], x[2], x[3], x[4], steps)
                               : lstm_sequence_composition(input, x[1], x[2], x[3], x[4], steps);
  return {unpack(all.output, steps), all.last, all.last_cell};
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
    const auto fused = run(By::kernel, in, c.lengths, c.reverse);
    const auto defined = run(By::composition, in, c.lengths, c.reverse);
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
  for (std::size_t k = 0; k < 3; ++k) {
    const Tensor a = run(By::kernel, in, {}, false)[k];
    const Tensor b = run(By::composition, in, {}, false)[k];
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
      return run(By::kernel, x, lengths, reverse);
    };
    const std::vector<Tensor> in = inputs_of(2, 3, 2);
    CHECK(gradcheck(f, in));
    CHECK(gradgradcheck(f, in));
  }
}

TEST_CASE("shapes that do not fit are told") {
  const Tensor x = zeros({6, 8}), h = zeros({2, 2}), w = zeros({8, 2}), b = zeros({8});
  const Steps steps(2, 3);
  CHECK_NOTHROW(lstm_sequence(x, h, h, w, b, steps));
  CHECK_THROWS_WITH_AS(lstm_sequence(x, h, zeros({2, 3}), w, b, steps),
                       doctest::Contains("do not fit each other"), Error);
  CHECK_THROWS_WITH_AS(lstm_sequence(zeros({5, 8}), h, h, w, b, steps),
                       doctest::Contains("or not the 6 steps of 2 rows"), Error);
}
