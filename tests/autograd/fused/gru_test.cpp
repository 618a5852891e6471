// The GRU kernels against the compositions that define them: values, first and second derivatives,
// lengths, both directions, empty shapes.

#include "autograd/fused/gru.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "autograd/engine.h"
#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

namespace {

// Leaves of the same elements, so that each of two computations has gradients of its own.
std::vector<Tensor> leaves(const std::vector<Tensor>& values) {
  std::vector<Tensor> result;
  for (const Tensor& value : values) result.push_back(value.clone().requires_grad_());
  return result;
}

void check_equal_gradients(const std::vector<Tensor>& ours, const std::vector<Tensor>& theirs) {
  for (std::size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    REQUIRE(ours[i].grad().defined());
    const Tensor other = theirs[i].grad();
    CHECK(difference(ours[i].grad(),
                     other.defined() ? other : zeros(ours[i].shape(), DType::float64)) < tolerance);
  }
}

struct Case {
  std::int64_t batch, time, hidden;
  bool reverse;
  Tensor lengths;              // undefined: every step is real
  std::vector<Tensor> inputs;  // input, initial, weight, bias
  Tensor by_output, by_state;  // what comes in at the outputs
};

Case random_case(std::int64_t batch, std::int64_t time, std::int64_t hidden, bool reverse,
                 bool with_lengths) {
  Case c{batch, time, hidden, reverse, {}, {}, {}, {}};
  if (with_lengths) {
    std::vector<std::int64_t> lengths;
    const auto choices = static_cast<std::uint64_t>(time + 1);
    for (std::int64_t row = 0; row < batch; ++row) {
      lengths.push_back(static_cast<std::int64_t>(default_generator().below(choices)));
    }
    if (batch > 1) lengths[0] = 0;
    if (batch > 1) lengths[1] = time;
    c.lengths = from_vector(lengths, {batch});
  }
  c.inputs = {random_doubles({batch, time, 3 * hidden}), random_doubles({batch, hidden}),
              random_doubles({3 * hidden, hidden}), random_doubles({3 * hidden})};
  c.by_output = random_doubles({batch, time, hidden});
  c.by_state = random_doubles({batch, hidden});
  return c;
}

std::vector<Case> random_cases() {
  std::vector<Case> cases;
  for (const bool reverse : {false, true}) {
    for (const bool with_lengths : {false, true}) {
      const auto add = [&](std::int64_t batch, std::int64_t time, std::int64_t hidden) {
        cases.push_back(random_case(batch, time, hidden, reverse, with_lengths));
      };
      add(1, 1, 1);
      add(3, 5, 2);
      add(2, 7, 9);
      add(70, 3, 5);  // more rows than one thread takes
      add(0, 3, 2);
      add(2, 0, 3);
      for (int i = 0; i < 5; ++i) {
        const auto size = [](std::uint64_t n) {
          return static_cast<std::int64_t>(1 + default_generator().below(n));
        };
        add(size(6), size(8), size(20));
      }
    }
  }
  return cases;
}

// A sequence as batches that are padded, in and out.
struct Run {
  Tensor output, last;
};

StepOrder order_of(bool reverse) {
  return reverse ? StepOrder::reverse : StepOrder::forward;
}

Run kernel(const Case& c, const std::vector<Tensor>& x) {
  const Steps steps(c.batch, c.time, c.lengths, order_of(c.reverse));
  const GRUSequence run = gru_sequence(pack(x[0], steps), x[1], x[2], x[3], steps);
  return {unpack(run.output, steps), run.last};
}
Run composition(const Case& c, const std::vector<Tensor>& x) {
  const Steps steps(c.batch, c.time, c.lengths, order_of(c.reverse));
  const GRUSequence run = gru_sequence_composition(pack(x[0], steps), x[1], x[2], x[3], steps);
  return {unpack(run.output, steps), run.last};
}

Tensor loss(const Case& c, const Run& run) {
  return sum(run.output * c.by_output) + sum(run.last * c.by_state);
}

std::string describe(const Case& c) {
  return fmt::format("batch {}, time {}, hidden {}, {}{}", c.batch, c.time, c.hidden,
                     c.reverse ? "reverse" : "forward", c.lengths.defined() ? ", lengths" : "");
}

constexpr std::uint64_t seed = 5;

}  // namespace

TEST_CASE("gru_sequence: the kernel and the composition agree in value and gradient") {
  manual_seed(seed);
  CAPTURE(seed);
  for (const Case& c : random_cases()) {
    INFO(describe(c));
    const std::vector<Tensor> ours = leaves(c.inputs);
    const std::vector<Tensor> theirs = leaves(c.inputs);
    const Run fused = kernel(c, ours);
    const Run composed = composition(c, theirs);
    CHECK(difference(fused.output, composed.output) < tolerance);
    CHECK(difference(fused.last, composed.last) < tolerance);
    loss(c, fused).backward();
    loss(c, composed).backward();
    check_equal_gradients(ours, theirs);
  }
}

TEST_CASE("gru_sequence: either output alone passes its gradient on") {
  manual_seed(seed);
  CAPTURE(seed);
  for (const bool by_state : {false, true}) {
    for (const bool reverse : {false, true}) {
      const Case c = random_case(3, 4, 5, reverse, true);
      INFO(describe(c));
      CAPTURE(by_state);
      const std::vector<Tensor> ours = leaves(c.inputs);
      const std::vector<Tensor> theirs = leaves(c.inputs);
      const auto part = [&](const Run& run) { return by_state ? sum(run.last) : sum(run.output); };
      part(kernel(c, ours)).backward();
      part(composition(c, theirs)).backward();
      check_equal_gradients(ours, theirs);
    }
  }
}

TEST_CASE("gru_sequence: the recorded gradient has the composition's derivative") {
  manual_seed(seed);
  CAPTURE(seed);
  for (const Case& c : random_cases()) {
    if (c.batch > 6) continue;
    INFO(describe(c));
    std::vector<Tensor> directions;
    for (const Tensor& input : c.inputs) directions.push_back(random_doubles(input.shape()));
    const auto second_order = [&](const std::vector<Tensor>& x, const Run& run) {
      const std::vector<Tensor> first =
          grad({loss(c, run)}, x, {.create_graph = true, .allow_unused = true});
      Tensor total = zeros({}, DType::float64);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (first[i].defined()) total = total + sum(first[i] * directions[i]);
      }
      if (total.requires_grad()) total.backward();
    };
    const std::vector<Tensor> ours = leaves(c.inputs);
    const std::vector<Tensor> theirs = leaves(c.inputs);
    second_order(ours, kernel(c, ours));
    second_order(theirs, composition(c, theirs));
    for (std::size_t i = 0; i < ours.size(); ++i) {
      CAPTURE(i);
      const auto gradient_of = [](const Tensor& x) {
        return x.grad().defined() ? x.grad() : zeros(x.shape(), DType::float64);
      };
      CHECK(difference(gradient_of(ours[i]), gradient_of(theirs[i])) < 1e-10);
    }
  }
}

TEST_CASE("gru_sequence: inputs of any strides and dtype float32") {
  manual_seed(seed);
  CAPTURE(seed);
  const Case c = random_case(3, 4, 5, false, true);
  std::vector<Tensor> strided;
  for (const Tensor& x : c.inputs) {
    strided.push_back(x.rank() < 2 ? slice(stack({x, x}, 1), 1, 0, 1) : transpose(x).clone());
    strided.back() = x.rank() < 2 ? squeeze(strided.back(), 1) : transpose(strided.back());
    CHECK(!strided.back().is_contiguous());
  }
  CHECK(difference(kernel(c, strided).output, kernel(c, c.inputs).output) == 0);

  std::vector<Tensor> narrow;
  for (const Tensor& x : c.inputs) narrow.push_back(x.to(DType::float32));
  const Run run = kernel(c, leaves(narrow));
  CHECK(run.output.dtype() == DType::float32);
  CHECK(difference(run.output.to(DType::float64), kernel(c, c.inputs).output) < 1e-5);
}

TEST_CASE("gru_sequence: steps past a row's length change no bit of anything") {
  manual_seed(seed);
  CAPTURE(seed);
  for (const bool reverse : {false, true}) {
    Case c = random_case(4, 6, 3, reverse, true);
    INFO(describe(c));
    const std::vector<Tensor> clean = leaves(c.inputs);
    const Run before = kernel(c, clean);
    loss(c, before).backward();

    const Tensor past = unsqueeze(
        ge(unsqueeze(arange(0, static_cast<double>(c.time)), 0), unsqueeze(c.lengths, 1)), 2);
    c.inputs[0] = where(past, randn({4, 6, 9}, 0, 1e6, DType::float64), c.inputs[0]);
    c.by_output = where(past, randn({4, 6, 3}, 0, 1e6, DType::float64), c.by_output);
    const std::vector<Tensor> junk = leaves(c.inputs);
    const Run after = kernel(c, junk);
    loss(c, after).backward();

    CHECK(difference(before.output, after.output) == 0);
    CHECK(difference(before.last, after.last) == 0);
    for (std::size_t i = 0; i < junk.size(); ++i) {
      CAPTURE(i);
      CHECK(difference(clean[i].grad(), junk[i].grad()) == 0);
    }
    CHECK(amax(abs(after.output * past.to(DType::float64))).item() == 0);
    CHECK(amax(abs(junk[0].grad() * past.to(DType::float64))).item() == 0);
  }
}

TEST_CASE("gru_gates: the kernel and the composition agree in value and in both derivatives") {
  manual_seed(seed);
  CAPTURE(seed);
  for (const auto& [batch, hidden] : {std::pair{1, 1}, {3, 2}, {5, 17}, {0, 4}, {2, 64}}) {
    CAPTURE(batch);
    CAPTURE(hidden);
    const std::vector<Tensor> values{random_doubles({batch, 3 * hidden}),
                                     random_doubles({batch, 3 * hidden}),
                                     random_doubles({batch, hidden})};
    const Tensor incoming = random_doubles({batch, hidden});
    const std::vector<Tensor> ours = leaves(values);
    const std::vector<Tensor> theirs = leaves(values);
    const Tensor fused = gru_gates(ours[0], ours[1], ours[2]);
    const Tensor composed = gru_gates_composition(theirs[0], theirs[1], theirs[2]);
    CHECK(difference(fused, composed) < tolerance);

    const auto both_derivatives = [&](const Tensor& y, const std::vector<Tensor>& x) {
      const std::vector<Tensor> first = grad({sum(y * incoming)}, x, {.create_graph = true});
      (sum(square(first[0])) + sum(square(first[1])) + sum(square(first[2]))).backward();
      return first;
    };
    const std::vector<Tensor> kernel_first =
        grad({sum(fused * incoming)}, ours, {.retain_graph = true});
    const std::vector<Tensor> fused_first = both_derivatives(fused, ours);
    const std::vector<Tensor> composed_first = both_derivatives(composed, theirs);
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(difference(kernel_first[i], composed_first[i]) < tolerance);
      CHECK(difference(fused_first[i], composed_first[i]) < tolerance);
    }
    check_equal_gradients(ours, theirs);
  }
}

TEST_CASE("the fused GRU passes gradcheck and gradgradcheck") {
  manual_seed(seed);
  CAPTURE(seed);
  for (const bool reverse : {false, true}) {
    const Case c = random_case(3, 4, 2, reverse, true);
    INFO(describe(c));
    const auto sequence = [&](const std::vector<Tensor>& x) {
      const Run run = kernel(c, x);
      return std::vector{run.output, run.last};
    };
    CHECK(gradcheck(sequence, leaves(c.inputs)));
    CHECK(gradgradcheck(sequence, leaves(c.inputs)));
  }
  const auto gates = [](const std::vector<Tensor>& x) { return gru_gates(x[0], x[1], x[2]); };
  const std::vector<Tensor> inputs =
      leaves({random_doubles({2, 9}), random_doubles({2, 9}), random_doubles({2, 3})});
  CHECK(gradcheck(gates, inputs));
  CHECK(gradgradcheck(gates, inputs));
}

TEST_CASE("the fused GRU refuses what does not fit") {
  const Tensor input = zeros({8, 6}), initial = zeros({2, 2}), weight = zeros({6, 2}),
               bias = zeros({6});
  const Steps steps(2, 4);
  CHECK_NOTHROW(gru_sequence(input, initial, weight, bias, steps));
  CHECK_THROWS_WITH_AS(gru_sequence(input, zeros({3, 2}), weight, bias, steps),
                       doctest::Contains("the input [8, 6], the initial state [3, 2]"), Error);
  CHECK_THROWS_WITH_AS(gru_sequence(input, zeros({2}), weight, bias, steps),
                       doctest::Contains("[batch, hidden]"), Error);
  CHECK_THROWS_WITH_AS(gru_sequence(zeros({7, 6}), initial, weight, bias, steps),
                       doctest::Contains("or not the 8 steps of 2 rows"), Error);
  CHECK_THROWS_WITH_AS(gru_sequence(input, initial, weight, zeros({6}, DType::float64), steps),
                       doctest::Contains("the dtypes differ"), Error);
  CHECK_THROWS_WITH_AS(gru_gates(zeros({2, 6}), zeros({2, 6}), zeros({2, 3})),
                       doctest::Contains("the state [2, 3] do not fit each other"), Error);
}
