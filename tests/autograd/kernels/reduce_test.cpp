// Reductions of sizes at which the kernel cuts its work, against one number after the other.

#include "autograd/kernels/reduce.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "autograd/kernels/parallel.h"

using namespace attune;

namespace {

struct Extents {
  std::int64_t outer, n, inner;
};
// A row; columns in blocks of rows, the last shorter; rows too few for blocks; rows too long.
const std::vector<Extents> sizes{{3, 40'000, 1}, {1, 1001, 150}, {1, 20, 9000}, {1, 70, 8193},
                                 {1, 5000, 33},  {2, 700, 300},  {1, 1, 7}};

// Numbers whose sums are exact in every order.
std::vector<double> numbers(const Extents& size) {
  std::vector<double> result(static_cast<std::size_t>(size.outer * size.n * size.inner));
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = static_cast<double>(i * 7919 % 2003) - 1000;
  }
  return result;
}

template <class F>
std::vector<double> one_by_one(const Extents& size, const std::vector<double>& in, F combine) {
  std::vector<double> out(static_cast<std::size_t>(size.outer * size.inner));
  for (std::int64_t o = 0; o < size.outer; ++o) {
    for (std::int64_t i = 0; i < size.inner; ++i) {
      const auto at = [&](std::int64_t k) {
        return in[static_cast<std::size_t>((o * size.n + k) * size.inner + i)];
      };
      double result = at(0);
      for (std::int64_t k = 1; k < size.n; ++k) result = combine(result, at(k));
      out[static_cast<std::size_t>(o * size.inner + i)] = result;
    }
  }
  return out;
}

std::vector<double> reduced(Reduce op, const Extents& size, const std::vector<double>& in) {
  std::vector<double> out(static_cast<std::size_t>(size.outer * size.inner));
  reduce(op, out.data(), in.data(), size.outer, size.n, size.inner);
  return out;
}

}  // namespace

TEST_CASE("a reduction is the same wherever its work is cut") {
  for (const Extents& size : sizes) {
    CAPTURE(size.n);
    CAPTURE(size.inner);
    const std::vector<double> in = numbers(size);
    const auto add = [](double a, double b) { return a + b; };
    const auto larger = [](double a, double b) { return std::max(a, b); };
    const auto smaller = [](double a, double b) { return std::min(a, b); };
    CHECK(reduced(Reduce::sum, size, in) == one_by_one(size, in, add));
    CHECK(reduced(Reduce::max, size, in) == one_by_one(size, in, larger));
    CHECK(reduced(Reduce::min, size, in) == one_by_one(size, in, smaller));
  }
}

TEST_CASE("NaN wins a maximum and a minimum, in whatever block it stands") {
  const Extents size{1, 1001, 150};
  for (const std::size_t row : {0u, 500u, 1000u}) {
    std::vector<double> in = numbers(size);
    in[row * 150 + 7] = std::numeric_limits<double>::quiet_NaN();
    for (const Reduce op : {Reduce::max, Reduce::min}) {
      const std::vector<double> out = reduced(op, size, in);
      for (std::size_t i = 0; i < out.size(); ++i) CHECK(std::isnan(out[i]) == (i == 7));
    }
  }
}

TEST_CASE("a sum has the same bits whatever the number of threads") {
  for (const Extents& size : sizes) {
    std::vector<double> in = numbers(size);
    for (double& number : in) number = std::sin(number);
    const auto with = [&](int count) {
      const Threads threads(count);
      return reduced(Reduce::sum, size, in);
    };
    CHECK(with(3) == with(1));
  }
}
