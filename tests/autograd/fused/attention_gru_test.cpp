// The fused attention decoder against its composition: values, gradients, second derivatives,
// masks.

#include "autograd/fused/attention_gru.h"

#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

namespace {

struct Sizes {
  std::int64_t batch, time, source, hidden, attention, features;
};

std::vector<Tensor> leaves(const Sizes& n) {
  std::vector<Tensor> result;
  for (const Shape& shape :
       {Shape{n.batch, n.time, 3 * n.hidden}, Shape{n.batch, n.hidden},
        Shape{n.batch, n.source, n.attention}, Shape{n.batch, n.source, n.features},
        Shape{n.attention, n.hidden}, Shape{n.attention}, Shape{3 * n.hidden, n.features},
        Shape{3 * n.hidden, n.hidden}, Shape{3 * n.hidden}}) {
    result.push_back(randn(shape, 0, 0.7, DType::float64).requires_grad_());
  }
  return result;
}

// The inputs by name; x[0] is a batch [batch, time, 3 hidden].
AttentionGRUInputs named(const std::vector<Tensor>& x, const Tensor& mask, const Steps& steps) {
  return {pack(x[0], steps), x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], mask};
}

// Lengths of the sources: the first row has no padding, the last nothing else.
Tensor source_lengths(const Sizes& n) {
  std::vector<std::int64_t> lengths{n.source};
  for (std::int64_t row = 1; row < n.batch; ++row) lengths.push_back((row * 2) % (n.source + 1));
  lengths.back() = n.batch > 1 ? 0 : n.source;
  return from_vector(lengths, {n.batch});
}

Tensor padding(const Sizes& n) {
  return ge(arange(0, static_cast<double>(n.source)), unsqueeze(source_lengths(n), 1));
}

// The same inputs with keys and values packed.
AttentionGRUInputs packed(AttentionGRUInputs in, const Steps& source) {
  in.keys = pack(in.keys, source);
  in.values = pack(in.values, source);
  in.mask = Tensor();
  in.source = source;
  return in;
}

// The steps of the targets: all of them, or those of rows that end at different times.
Steps steps_of(const Sizes& n, bool ragged) {
  if (!ragged) return Steps(n.batch, n.time);
  std::vector<std::int64_t> lengths;
  for (std::int64_t row = 0; row < n.batch; ++row) lengths.push_back((row * 3) % (n.time + 1));
  return Steps(n.batch, n.time, from_vector(lengths, {n.batch}));
}

// The gradients of both by those leaves, of a random one that comes in.
void check_gradients(const Tensor& fused, const Tensor& defined,
                     const std::vector<Tensor>& leaves) {
  const Tensor g = randn(fused.shape(), 0, 1, DType::float64);
  const auto by_kernel = functional::pull_back({fused}, leaves, {g});
  const auto by_composition = functional::pull_back({defined}, leaves, {g});
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    CAPTURE(i);
    CHECK(difference(by_kernel[i], by_composition[i]) < 1e-12);
  }
}

}  // namespace

TEST_CASE("the kernel computes what the composition says, forward and backward") {
  manual_seed(131);
  for (const Sizes& n : {Sizes{3, 4, 5, 2, 3, 4}, Sizes{1, 1, 1, 1, 1, 1}, Sizes{2, 0, 3, 2, 2, 2},
                         Sizes{70, 2, 3, 4, 20, 5}, Sizes{2, 3, 0, 2, 2, 2}}) {
    for (const bool masked : {false, true}) {
      CAPTURE(n.batch);
      CAPTURE(n.time);
      CAPTURE(masked);
      const Tensor mask = masked ? padding(n) : Tensor();
      const Steps steps = steps_of(n, masked);
      const std::vector<Tensor> in = leaves(n);
      const auto [fused, looks] = attention_gru(named(in, mask, steps), steps);
      const auto [defined, defined_looks] =
          attention_gru_composition(named(in, mask, steps), steps);
      CHECK(difference(fused, defined) < 1e-12);
      CHECK(difference(looks, defined_looks) < 1e-12);
      check_gradients(fused, defined, in);
    }
  }
}

TEST_CASE("keys and values without their padding give the same, and the gradients of both") {
  manual_seed(135);
  for (const Sizes& n : {Sizes{3, 4, 5, 2, 3, 4}, Sizes{1, 1, 1, 1, 1, 1},
                         Sizes{70, 2, 3, 4, 20, 5}, Sizes{2, 3, 0, 2, 2, 2}}) {
    for (const bool ragged : {false, true}) {
      CAPTURE(n.batch);
      CAPTURE(ragged);
      const Steps steps = steps_of(n, ragged);
      const Steps source(n.batch, n.source, ragged ? source_lengths(n) : Tensor(),
                         StepOrder::by_row);
      const std::vector<Tensor> in = leaves(n);
      const auto whole = [&] { return named(in, ragged ? padding(n) : Tensor(), steps); };
      const auto [fused, looks] = attention_gru(packed(whole(), source), steps);
      const auto [defined, defined_looks] =
          attention_gru_composition(packed(whole(), source), steps);
      const auto [unpacked, unpacked_looks] = attention_gru(whole(), steps);
      CHECK(difference(fused, defined) < 1e-12);
      CHECK(difference(fused, unpacked) < 1e-12);
      CHECK(difference(looks, defined_looks) < 1e-12);
      CHECK(difference(looks, unpacked_looks) < 1e-12);
      check_gradients(fused, defined, in);
      check_gradients(attention_gru(packed(whole(), source), steps).output, unpacked, in);
    }
  }
}

TEST_CASE("what is kept with keys does not depend on how they were dealt to rows") {
  manual_seed(136);
  const auto dealt = [](const Sizes& n, const Tensor& keys) {
    const Steps steps(n.batch, n.time), source(n.batch, n.source, {}, StepOrder::by_row);
    const std::vector<Tensor> in = leaves(n);
    AttentionGRUInputs inputs = packed(named(in, {}, steps), source);
    inputs.keys = keys;
    CHECK(difference(attention_gru(inputs, steps).output,
                     attention_gru_composition(inputs, steps).output) < 1e-12);
  };
  // The powers of the second are infinite.
  const Tensor keys = tensor({{0.5, -1}, {400, 1}, {2, 0.1}, {-1, 1}}, DType::float64);
  dealt({1, 2, 4, 2, 2, 2}, keys);
  dealt({4, 2, 1, 2, 2, 2}, keys);
  dealt({2, 2, 2, 2, 2, 2}, keys);
}

TEST_CASE("values that are already multiplied by the context's weight need none") {
  manual_seed(134);
  const Sizes n{3, 4, 5, 2, 3, 4};
  const Tensor mask = padding(n);
  const Steps steps = steps_of(n, true);
  std::vector<Tensor> in = leaves(n);
  const Tensor expected = attention_gru(named(in, mask, steps), steps).output;
  in[3] = linear(in[3], in[6]).detach().requires_grad_();
  in[6] = Tensor();
  const Tensor fused = attention_gru(named(in, mask, steps), steps).output;
  CHECK(difference(fused, expected) < 1e-12);
  const Tensor defined = attention_gru_composition(named(in, mask, steps), steps).output;
  std::vector<Tensor> wanted = in;
  wanted.erase(wanted.begin() + 6);
  check_gradients(fused, defined, wanted);
}

TEST_CASE("queries and keys so large that their powers would overflow are looked at all the same") {
  manual_seed(133);
  const Sizes n{3, 2, 4, 2, 5, 3};
  const Steps steps(n.batch, n.time);
  std::vector<Tensor> in = leaves(n);
  // Row 0: both large, and of opposite signs; row 1: the keys alone; row 2: neither at first.
  const auto shifted = [](const Tensor& x, const Tensor& shift) {
    return (x + shift).detach().requires_grad_();
  };
  in[1] = shifted(in[1] * 0, tensor({{1}, {0}, {0}}, DType::float64));
  in[2] = shifted(in[2], tensor({{{-400}}, {{-400}}, {{0}}}, DType::float64));
  in[4] = shifted(in[4] * 0, full({}, 200, DType::float64));
  const Tensor fused = attention_gru(named(in, {}, steps), steps).output;
  const Tensor defined = attention_gru_composition(named(in, {}, steps), steps).output;
  CHECK(difference(fused, defined) < 1e-12);
  check_gradients(fused, defined, in);
}

TEST_CASE("first and second derivatives agree with differences") {
  manual_seed(132);
  const Sizes n{2, 2, 3, 2, 2, 2};
  const Tensor mask = tensor({{0, 0, 0}, {0, 1, 1}}, DType::boolean);
  const Steps steps(2, 2, tensor({2, 1}, DType::int64));
  const auto f = [&](const std::vector<Tensor>& x) {
    return attention_gru(named(x, mask, steps), steps).output;
  };
  const std::vector<Tensor> in = leaves(n);
  CHECK(gradcheck(f, in));
  CHECK(gradgradcheck(f, in));
  const Steps source(2, 3, tensor({3, 1}, DType::int64), StepOrder::by_row);
  const auto of_packed = [&](const std::vector<Tensor>& x) {
    return attention_gru(packed(named(x, {}, steps), source), steps).output;
  };
  CHECK(gradcheck(of_packed, in));
  CHECK(gradgradcheck(of_packed, in));
}

TEST_CASE("shapes that do not fit are told by name") {
  const Steps steps(2, 2);
  std::vector<Tensor> in = leaves({2, 2, 3, 2, 2, 2});
  in[6] = zeros({6, 5}, DType::float64);
  CHECK_THROWS_WITH_AS(attention_gru(named(in, {}, steps), steps),
                       doctest::Contains("context_weight is [6, 5], and must be [6, 2]"), Error);
  in[6] = Tensor();
  CHECK_THROWS_WITH_AS(attention_gru(named(in, {}, steps), steps),
                       doctest::Contains("values is [2, 3, 2], and must be [2, 3, 6]"), Error);
  in = leaves({2, 2, 3, 2, 2, 2});
  CHECK_THROWS_WITH_AS(attention_gru(named(in, zeros({2, 3}), steps), steps),
                       doctest::Contains("the mask is float32"), Error);
  const auto of_source = [&](const Steps& source) {
    return attention_gru(packed(named(in, {}, steps), source), steps);
  };
  const Tensor lengths = tensor({3, 1}, DType::int64);
  CHECK_THROWS_WITH_AS(of_source(Steps(2, 3, lengths)), doctest::Contains("StepOrder::by_row"),
                       Error);
  const Steps source(2, 3, lengths, StepOrder::by_row);
  AttentionGRUInputs wrong = packed(named(in, {}, steps), source);
  wrong.keys = zeros({5, 2}, DType::float64);
  CHECK_THROWS_WITH_AS(attention_gru(wrong, steps),
                       doctest::Contains("keys is [5, 2], and must be [4, 2]"), Error);
  wrong.keys = zeros({2, 3, 2}, DType::float64);
  CHECK_THROWS_WITH_AS(attention_gru(wrong, steps),
                       doctest::Contains("keys is [2, 3, 2], and must be [places, attention]"),
                       Error);
}
