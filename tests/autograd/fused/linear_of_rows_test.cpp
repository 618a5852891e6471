// Products of a table's rows against the linear layer, and how long they are kept.
#include "autograd/fused/linear_of_rows.h"

#include <doctest/doctest.h>

#include "autograd/allocator.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

TEST_CASE("products of a table's rows are what the composition says, and see every change") {
  manual_seed(224);
  for (const DType dtype : {DType::float32, DType::float64}) {
    Tensor table = randn({9, 5}, 0, 1, dtype), weight = randn({4, 7}, 0, 1, dtype);
    Tensor bias = randn({4}, 0, 1, dtype);
    const Tensor view = slice(weight, 1, 1, 6), other = slice(weight, 1, 2, 7);
    const double rounding = dtype == DType::float32 ? 1e-4 : 1e-12;
    const auto check = [&](const Tensor& ids, const Tensor& of, const Tensor& b) {
      const Tensor expected = linear_of_rows_composition(table, ids, of, b);
      CHECK(difference(linear_of_rows(table, ids, of, b), expected) < rounding);
    };
    const Tensor some = tensor({3, 1, 3, 8}, DType::int64), more = tensor({0, 1, 2}, DType::int64);
    for (int round = 0; round < 4; ++round) {
      for (const Tensor& ids : {some, more, some}) {
        check(ids, view, bias);
        check(ids, view, Tensor());
        check(ids, other, bias);
      }
      if (round == 0) table.mul_(2);
      if (round == 1) weight.mul_(2);
      if (round == 2) bias.mul_(3);
    }
    check(zeros({0}, DType::int64), view, bias);
    table = randn({9, 5}, 0, 1, dtype);
    check(some, view, bias);
    CHECK_FALSE(linear_of_rows(table, some, view.detach().requires_grad_(), bias).requires_grad());
  }
}

TEST_CASE("a row's product has the same bits whenever it is computed, and with which others") {
  manual_seed(227);
  for (const DType dtype : {DType::float32, DType::float64}) {
    const Tensor table = randn({300, 65}, 0, 1, dtype), bias = randn({70}, 0, 1, dtype);
    Tensor weight = randn({70, 65}, 0, 1, dtype);
    const Tensor all = linear_of_rows(table, arange(0, 300).to(DType::int64), weight, bias);
    weight.mul_(1);  // forgets what is kept
    for (const std::int64_t row : {7, 299, 0}) {
      const Tensor one = linear_of_rows(table, from_vector(std::vector{row}, {1}), weight, bias);
      CHECK(one.to_vector<double>() == slice(all, 0, row, row + 1).to_vector<double>());
    }
  }
}

TEST_CASE("products of rows are kept with the weight, and die with it") {
  manual_seed(225);
  const std::int64_t before = memory_stats().live_bytes;
  {
    const Tensor table = randn({100, 5}), weight = randn({400, 5});
    const std::int64_t without = memory_stats().live_bytes;
    linear_of_rows(table, tensor({3, 1}, DType::int64), weight, {});
    CHECK(memory_stats().live_bytes == without + 2 * 400 * 4);
    linear_of_rows(table, tensor({1, 3, 1}, DType::int64), weight, {});
    CHECK(memory_stats().live_bytes == without + 2 * 400 * 4);
    // Of one storage: what is kept with it must not hold it.
    const Tensor both = randn({20, 5});
    linear_of_rows(slice(both, 0, 0, 10), tensor({3}, DType::int64), slice(both, 0, 10, 20), {});
  }
  CHECK(memory_stats().live_bytes == before);
}

TEST_CASE("an id that is no row is told, and what does not fit") {
  const Tensor table = randn({3, 2}), weight = randn({4, 2});
  for (const double wrong : {-1., 3.}) {
    const Tensor ids = tensor({0, wrong}, DType::int64);
    CHECK_THROWS_WITH_AS(linear_of_rows(table, ids, weight, {}),
                         doctest::Contains("is out of range: there are 3"), Error);
  }
  const Tensor ids = tensor({0}, DType::int64);
  CHECK_THROWS_AS(linear_of_rows(table, ids, weight.to(DType::float64), {}), Error);
  CHECK_THROWS_AS(linear_of_rows(table, ids, randn({4, 3}), {}), Error);
  CHECK_THROWS_AS(linear_of_rows(table, ids, weight, randn({5})), Error);
}

TEST_CASE("more products than there is room for are computed anew") {
  manual_seed(226);
  const Tensor table = randn({3000, 1}), weight = randn({8192, 1});
  const Tensor ids = arange(0, 3000).to(DType::int64);
  const std::int64_t before = memory_stats().live_bytes;
  CHECK(linear_of_rows(table, ids, weight, {}).shape() == Shape{3000, 8192});
  CHECK(memory_stats().live_bytes == before);
  const Tensor few = tensor({2999, 0}, DType::int64);
  CHECK(difference(linear_of_rows(table, few, weight, {}),
                   linear_of_rows_composition(table, few, weight, {})) < 1e-6);
}
