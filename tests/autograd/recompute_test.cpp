// checkpoint(): the same gradients as without it, in less memory.

#include <doctest/doctest.h>

#include "autograd/functional.h"
#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "nn/dropout.h"
#include "tests/autograd/live.h"
#include "tests/difference.h"

namespace attune {
namespace {

using testing::NothingLeft;
using Doubles = std::vector<double>;

Tensor random_leaf(const Shape& shape, DType dtype = DType::float64) {
  return randn(shape, 0, 1, dtype).requires_grad_();
}

TEST_CASE("gradients of inputs and of what the function reads are those of the plain function") {
  const NothingLeft check;
  manual_seed(3);
  const Tensor x = random_leaf({4, 3}), w = random_leaf({3, 3});
  const auto loss = [&](bool keep) {
    const Tensor scaled = w * 2;  // neither an input nor a leaf
    const auto f = [=](const Tensors& in) { return tanh(matmul(in[0], scaled)) * select(w, 0, 0); };
    const Tensor y = keep ? f({x * x}) : checkpoint(f, {x * x})[0];
    return sum(y * y);
  };
  const std::vector<Tensor> expected = grad({loss(true)}, {x, w});
  const std::vector<Tensor> found = grad({loss(false)}, {x, w});
  for (std::size_t i = 0; i < 2; ++i) CHECK(difference(found[i], expected[i]) == 0);
  CHECK(loss(false).item() == loss(true).item());
}

TEST_CASE("first and second derivatives pass their checks, also where an input is read twice") {
  const NothingLeft check;
  manual_seed(4);
  const Tensor x = random_leaf({3}), w = random_leaf({3});
  const auto f = [&](const Tensors& in) -> Tensors {
    const auto segment = [other = in[1]](const Tensors& y) -> Tensors {
      return {sin(y[0] * other), y[0] * y[0]};
    };
    const Tensors out = checkpoint(segment, {in[0] * in[1]});
    return {out[0] * in[0], checkpoint(segment, {out[1]})[0]};
  };
  CHECK(gradcheck(f, {x, w}));
  CHECK(gradgradcheck(f, {x, w}));
}

TEST_CASE("dropout drops the same elements again, and the generator goes on as if nothing was") {
  const NothingLeft check;
  const Tensor x = ones({64}, DType::float64).requires_grad_();
  const nn::Dropout dropout(0.5);
  const auto f = [&](const Tensors& in) { return dropout.forward(in[0]); };
  manual_seed(5);
  const Tensor y = checkpoint(f, {x})[0];
  const std::uint64_t next = default_generator().offset();
  sum(y).backward();
  CHECK(x.grad().to_vector<double>() == y.to_vector<double>());
  CHECK(default_generator().offset() == next);
  manual_seed(5);
  CHECK(f({x}).to_vector<double>() == y.to_vector<double>());
}

TEST_CASE("a hook sees the whole gradient, once") {
  const NothingLeft check;
  const Tensor x = random_leaf({2}), other = random_leaf({2});
  Tensor middle = x * 3;
  int calls = 0;
  middle.register_hook([&](const Tensor&) {
    ++calls;
    return Tensor();
  });
  const auto f = [&](const Tensors& in) { return in[0] * middle * other; };
  sum(checkpoint(f, {middle})[0]).backward();
  CHECK(calls == 1);
  const Tensor expected = grad(sum(x * 3 * (x * 3) * other), x);
  CHECK(difference(x.grad(), expected) < 1e-12);
}

TEST_CASE("a checkpointed chain needs less memory at its peak") {
  const NothingLeft check;
  const Tensor x = zeros({1 << 18}).requires_grad_();
  const auto segment = [](const Tensors& in) {
    Tensor y = in[0];
    for (int i = 0; i < 16; ++i) y = sin(y);
    return y;
  };
  const auto peak = [&](bool keep) {
    reset_peak_bytes();
    const std::int64_t before = memory_stats().live_bytes;
    Tensor y = x;
    for (int i = 0; i < 8; ++i) y = keep ? segment({y}) : checkpoint(segment, {y})[0];
    sum(y).backward();
    Tensor(x).zero_grad();
    return memory_stats().peak_bytes - before;
  };
  const std::int64_t plain = peak(true);
  const std::int64_t checkpointed = peak(false);
  CHECK(checkpointed * 4 < plain);
}

TEST_CASE("what needs no gradient is computed, and nothing kept") {
  const NothingLeft check;
  const Tensor x = ones({2});
  const auto f = [](const Tensors& in) { return in[0] * 2; };
  CHECK_FALSE(checkpoint(f, {x})[0].requires_grad());
  const Tensor leaf = ones({2}).requires_grad_();
  const NoGrad no_grad;
  CHECK_FALSE(checkpoint(f, {leaf})[0].requires_grad());
}

}  // namespace
}  // namespace attune
