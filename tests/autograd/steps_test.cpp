// The real steps of ragged batches: their order, packing and unpacking, and the derivatives of
// both.

#include "autograd/steps.h"

#include <doctest/doctest.h>

#include <set>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

TEST_CASE("steps: rows run longest first, and from their ends in reverse") {
  const Tensor lengths = tensor({1, 3, 0}, DType::int64);
  const Steps forward(3, 4, lengths);
  CHECK(forward.count() == 4);
  REQUIRE(forward.tasks().size() == 1);
  const StepTask& task = forward.tasks()[0];
  CHECK(task.rows == std::vector<std::int64_t>{1, 0, 2});
  CHECK(task.starts == std::vector<std::int64_t>{0, 2, 3, 4});
  CHECK(task.last(0) == 3);
  CHECK(task.last(1) == 1);
  // row * 4 + t
  CHECK(forward.places() == std::vector<std::int64_t>{4, 0, 5, 6});
  CHECK(Steps(3, 4, lengths, StepOrder::reverse).places() == std::vector<std::int64_t>{6, 0, 5, 4});
}

TEST_CASE("steps: many rows are dealt to tasks of about equal work, each step once") {
  manual_seed(211);
  std::vector<std::int64_t> lengths;
  std::int64_t total = 0;
  for (int row = 0; row < 150; ++row) {
    lengths.push_back(static_cast<std::int64_t>(default_generator().below(31)));
    total += lengths.back();
  }
  for (const StepOrder order : {StepOrder::forward, StepOrder::reverse, StepOrder::by_row}) {
    for (const std::int64_t state : {1, 1000}) {
      const Steps steps(150, 30, from_vector(lengths, {150}), order, state);
      CHECK(steps.count() == total);
      CHECK(std::set(steps.places().begin(), steps.places().end()).size() ==
            static_cast<std::size_t>(total));
      REQUIRE(steps.tasks().size() > 1);
      if (order == StepOrder::by_row) continue;
      for (const StepTask& task : steps.tasks()) {
        const auto share = total * static_cast<std::int64_t>(task.rows.size()) / 150;
        CHECK(std::abs(task.starts.back() - task.starts.front() - share) <= 30);
      }
    }
  }
}

TEST_CASE("steps of a small state are dealt to more tasks, the last ones of half the size") {
  const auto rows_of_tasks = [](std::int64_t batch, std::int64_t state) {
    std::vector<std::size_t> rows;
    const Steps steps(batch, 3, {}, StepOrder::forward, state);
    for (const StepTask& task : steps.tasks()) rows.push_back(task.rows.size());
    return rows;
  };
  CHECK(rows_of_tasks(64, 128) == std::vector<std::size_t>{16, 16, 16, 8, 8});
  CHECK(rows_of_tasks(16, 128) == std::vector<std::size_t>{8, 8});
  CHECK(rows_of_tasks(5, 128) == std::vector<std::size_t>{5});
  CHECK(rows_of_tasks(64, 129) == std::vector<std::size_t>{32, 32});
  CHECK(rows_of_tasks(0, 128).empty());
}

TEST_CASE("pack and unpack undo each other but for padding, and are each other's derivative") {
  manual_seed(212);
  const Tensor lengths = tensor({2, 0, 3}, DType::int64);
  for (const StepOrder order : {StepOrder::forward, StepOrder::reverse, StepOrder::by_row}) {
    const Steps steps(3, 3, lengths, order);
    const Tensor x = randn({3, 3, 2}, 0, 1, DType::float64).requires_grad_();
    const Tensor past = ge(unsqueeze(arange(0, 3), 0), unsqueeze(lengths, 1));  // [batch, time]
    const Tensor padded = masked_fill(x, unsqueeze(past, 2), 0);
    CHECK(pack(x, steps).shape() == Shape{5, 2});
    CHECK(difference(unpack(pack(x, steps), steps), padded) == 0);
    const auto packing = [&](const std::vector<Tensor>& in) { return square(pack(in[0], steps)); };
    const auto unpacking = [&](const std::vector<Tensor>& in) {
      return square(unpack(in[0], steps));
    };
    const Tensor rows = randn({5, 2}, 0, 1, DType::float64).requires_grad_();
    CHECK(gradcheck(packing, {x}));
    CHECK(gradgradcheck(packing, {x}));
    CHECK(gradcheck(unpacking, {rows}));
    CHECK(gradgradcheck(unpacking, {rows}));
  }
}

TEST_CASE("pack reads views as they lie") {
  manual_seed(214);
  const Steps steps(3, 4, tensor({2, 4, 0}, DType::int64));
  const Tensor x = randn({4, 3, 6, 2});
  for (const Tensor& view :
       {transpose(x, 0, 1), slice(transpose(x, 0, 1), 2, 1, 4), select(transpose(x, 0, 1), 3, 1),
        transpose(transpose(x, 0, 1), 2, 3),
        expand(slice(transpose(x, 0, 1), 1, 2, 3), {3, 4, 6, 2}), flip(transpose(x, 0, 1), 1)}) {
    CHECK(difference(pack(view, steps), pack(view.clone(), steps)) == 0);
  }
}

TEST_CASE("steps by row keep a row's steps together") {
  const Steps steps(3, 3, tensor({2, 0, 3}, DType::int64), StepOrder::by_row);
  REQUIRE(steps.tasks().size() == 3);
  for (const StepTask& task : steps.tasks()) {
    REQUIRE(task.rows.size() == 1);
    for (std::int64_t t = 0; t < task.time(); ++t) {
      const auto number = static_cast<std::size_t>(task.start(t));
      CHECK(steps.places()[number] == task.rows[0] * 3 + t);
    }
  }
  CHECK_FALSE(steps.as_they_lie());
  CHECK(Steps(3, 3, {}, StepOrder::by_row).as_they_lie());
  CHECK(Steps(40, 1).as_they_lie());
  CHECK_FALSE(Steps(3, 3).as_they_lie());
}

TEST_CASE("steps of no row and of no time") {
  for (const Steps& steps : {Steps(0, 3), Steps(2, 0), Steps(2, 3, zeros({2}, DType::int64))}) {
    CHECK(steps.count() == 0);
    const Tensor x = ones({steps.batch(), steps.time(), 2});
    CHECK(pack(x, steps).shape() == Shape{0, 2});
    CHECK(sum(unpack(pack(x, steps), steps)).item() == 0);
  }
}

TEST_CASE("join puts packings side by side in another order, and its derivative takes them apart") {
  manual_seed(216);
  const Tensor lengths = tensor({2, 0, 3}, DType::int64);
  const auto in_order = [&](StepOrder order) { return Steps(3, 4, lengths, order); };
  const Steps forward = in_order(StepOrder::forward), reverse = in_order(StepOrder::reverse),
              by_row = in_order(StepOrder::by_row);
  const Tensor a = randn({5, 2}, 0, 1, DType::float64).requires_grad_();
  const Tensor b = randn({5, 3}, 0, 1, DType::float64).requires_grad_();
  for (const Steps& to : {forward, reverse, by_row}) {
    const Tensor whole = cat({unpack(a, forward), unpack(b, reverse)}, 2);
    CHECK(difference(join({{a, forward}, {b, reverse}}, to), pack(whole, to)) == 0);
    const auto joining = [&](const std::vector<Tensor>& in) {
      return square(join({{in[0], forward}, {in[1], reverse}}, to));
    };
    CHECK(gradcheck(joining, {a, b}));
    CHECK(gradgradcheck(joining, {a, b}));
  }
  const Tensor wide = randn({5, 6});
  for (const Tensor& view : {slice(wide, 1, 2, 4), transpose(transpose(slice(wide, 1, 0, 5)), 0, 1),
                             expand(slice(wide, 0, 0, 1), {5, 6})}) {
    CHECK(difference(join({{view, forward}}, reverse), join({{view.clone(), forward}}, reverse)) ==
          0);
  }
}

TEST_CASE("packings that do not fit are not joined") {
  const Steps steps(2, 3, tensor({1, 3}, DType::int64)),
      same_count(2, 3, tensor({2, 2}, DType::int64)), other_batch(1, 6, tensor({4}, DType::int64));
  CHECK_THROWS_WITH_AS(join({}, steps), doctest::Contains("there is nothing to join"), Error);
  CHECK_THROWS_WITH_AS(join({{zeros({3, 2}), steps}}, steps),
                       doctest::Contains("a packing [3, 2] does not hold the 4 real steps"), Error);
  CHECK_THROWS_WITH_AS(join({{zeros({4}), steps}}, steps),
                       doctest::Contains("a packing [4] does not hold the 4 real steps"), Error);
  CHECK_THROWS_AS(join({{zeros({4, 1}), steps}, {zeros({4, 1}, DType::float64), steps}}, steps),
                  Error);
  for (const Steps& other : {same_count, other_batch, Steps(2, 3)}) {
    CHECK_THROWS_WITH_AS(join({{zeros({other.count(), 2}), other}}, steps),
                         doctest::Contains("do not hold the same steps"), Error);
  }
}

TEST_CASE("lengths and shapes that do not fit are told") {
  CHECK_THROWS_WITH_AS(Steps(2, 4, zeros({3}, DType::int64)),
                       doctest::Contains("the lengths are int64 [3], and must be int64 [2]"),
                       Error);
  CHECK_THROWS_WITH_AS(
      Steps(2, 4, full({2}, 5, DType::int64)),
      doctest::Contains("the length 5 does not lie within 0 and the 4 steps of the batch"), Error);
  const Steps steps(2, 3, tensor({1, 3}, DType::int64));
  CHECK_THROWS_WITH_AS(pack(zeros({2, 4}), steps),
                       doctest::Contains("[2, 4] is not a batch of 2 rows and 3 steps"), Error);
  CHECK_THROWS_WITH_AS(unpack(zeros({6, 2}), steps),
                       doctest::Contains("[6, 2] does not hold the 4 real steps"), Error);
}
