// Philox against its authors' known answers, and the fills against their definitions and
// distributions, whatever the number of threads.

#include "autograd/kernels/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

// From the file kat_vectors of Random123, the authors' library.
TEST_CASE("Philox gives the known answers") {
  using Words = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random bits are the first two words of a block") {
  constexpr std::uint64_t seed = 0x299f31d0a4093822;
  constexpr std::uint64_t index = 0x85a308d3243f6a88;
  const auto words = philox({0x243f6a88, 0x85a308d3, 0, 0}, {0xa4093822, 0x299f31d0});
  CHECK(random_bits(seed, index) == (std::uint64_t{words[1]} << 32 | words[0]));
}

constexpr std::uint64_t seed = 20110524;

template <class T>
std::vector<T> uniform(std::size_t n, T low = 0, T high = 1, std::uint64_t offset = 0) {
  std::vector<T> values(n);
  fill_uniform(values.data(), static_cast<std::int64_t>(n), low, high, seed, offset);
  return values;
}

template <class T>
std::vector<T> normal(std::size_t n, T mean = 0, T deviation = 1, std::uint64_t offset = 0) {
  std::vector<T> values(n);
  fill_normal(values.data(), static_cast<std::int64_t>(n), mean, deviation, seed, offset);
  return values;
}

template <class T>
std::vector<T> bernoulli(std::size_t n, T probability, T value) {
  std::vector<T> values(n);
  fill_bernoulli(values.data(), static_cast<std::int64_t>(n), probability, value, seed,
                 std::uint64_t{0});
  return values;
}

// A batch is 16 blocks, word by word: what is drawn for float is pinned by Philox itself.
TEST_CASE("uniform numbers are the words of the blocks") {
  const std::vector<float> values = uniform<float>(200, 0, 1, 5);
  std::vector<float> expected;
  for (std::uint32_t i = 0; i < 200; ++i) {
    const auto block = philox({5 + i / 64 * 16 + i % 16, 0, 0, 0}, {seed, 0});
    expected.push_back(static_cast<float>(block[i / 16 % 4] >> 8) * 0x1p-24f);
  }
  CHECK(values == expected);
}

TEST_CASE_TEMPLATE("a number depends on its place alone", T, float, double) {
  constexpr std::size_t n = 100'003;
  const std::vector<T> uniforms = uniform<T>(n);
  const std::vector<T> normals = normal<T>(n);
  const std::vector<T> mask = bernoulli<T>(n, T{0.5}, 2);
  for (const int count : {1, 2, 3}) {
    const Threads threads(count);
    CHECK(uniform<T>(n) == uniforms);
    CHECK(normal<T>(n) == normals);
    CHECK(bernoulli<T>(n, T{0.5}, 2) == mask);
  }
  for (const std::size_t size : {0u, 1u, 15u, 31u, 33u, 64u, 65u, 1000u, 20'000u}) {
    const std::vector<T> shorter = normal<T>(size);
    CHECK(std::equal(shorter.begin(), shorter.end(), normals.begin()));
  }
}

TEST_CASE_TEMPLATE("the same seed elsewhere, and other seeds, give other numbers", T, float,
                   double) {
  constexpr std::size_t n = 1000;
  const std::vector<T> here = uniform<T>(2 * n);
  const std::vector<T> there = uniform<T>(n, 0, 1, 2 * n);
  std::vector<T> other(n);
  fill_uniform<T>(other.data(), n, 0, 1, seed + (std::uint64_t{1} << 32), 0);
  std::vector<T> all = here;
  all.insert(all.end(), there.begin(), there.end());
  all.insert(all.end(), other.begin(), other.end());
  std::sort(all.begin(), all.end());
  const auto different = std::unique(all.begin(), all.end()) - all.begin();
  CHECK(static_cast<std::size_t>(different) >= 4 * n - 3);  // 4000 floats may share a step of 2^-24
}

// The largest distance between the distribution of the sample and the function, times the square
// root of its size (Kolmogorov): beyond 1.95 for one good sample in 1000.
template <class T, class Distribution>
double kolmogorov(std::vector<T> sample, Distribution distribution) {
  std::sort(sample.begin(), sample.end());
  const auto n = static_cast<double>(sample.size());
  double largest = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const double expected = distribution(static_cast<double>(sample[i]));
    largest = std::max(largest, std::fabs(static_cast<double>(i) / n - expected));
    largest = std::max(largest, std::fabs(static_cast<double>(i + 1) / n - expected));
  }
  return largest * std::sqrt(n);
}

TEST_CASE_TEMPLATE("distributions", T, float, double) {
  constexpr std::size_t n = 200'000;
  CHECK(kolmogorov(uniform<T>(n, -1, 3), [](double x) { return (x + 1) / 4; }) < 1.95);
  CHECK(kolmogorov(normal<T>(n, 1, 2), [](double x) {
          return std::erfc(-(x - 1) / (2 * std::numbers::sqrt2)) / 2;
        }) < 1.95);
  const std::vector<T> mask = bernoulli<T>(n, static_cast<T>(0.9), 3);
  const auto hits = std::count(mask.begin(), mask.end(), T{3});
  CHECK(std::count(mask.begin(), mask.end(), T{0}) == static_cast<std::ptrdiff_t>(n) - hits);
  const double deviation = std::sqrt(0.9 * 0.1 * n);
  CHECK(std::fabs(static_cast<double>(hits) - 0.9 * n) < 4 * deviation);
}

// Box and Muller's formula over the uniform numbers of the same blocks, in the middle of which the
// angles begin.
TEST_CASE_TEMPLATE("normal numbers are points by radius and angle", T, float, double) {
  constexpr std::size_t batch = 256 / sizeof(T);
  constexpr std::size_t n = 100 * batch;
  const std::vector<T> uniforms = uniform<T>(n);
  const std::vector<T> normals = normal<T>(n);
  double error = 0;
  for (std::size_t begin = 0; begin < n; begin += batch) {
    for (std::size_t x = begin; x < begin + batch / 2; ++x) {
      const std::size_t y = x + batch / 2;
      const double radius = std::sqrt(-2 * std::log1p(-static_cast<double>(uniforms[x])));
      const double angle = 2 * std::numbers::pi * static_cast<double>(uniforms[y]);
      error = std::max(error, std::fabs(radius * std::cos(angle) - normals[x]));
      error = std::max(error, std::fabs(radius * std::sin(angle) - normals[y]));
    }
  }
  CHECK(error < 10 * static_cast<double>(std::numeric_limits<T>::epsilon()));
}

TEST_CASE_TEMPLATE("the ends of the intervals", T, float, double) {
  // Steps of 2^-24 below 1 would round up to 2 once 1 is added.
  const std::vector<T> values = uniform<T>(1'000'000, 1, 2);
  CHECK(*std::min_element(values.begin(), values.end()) >= 1);
  CHECK(*std::max_element(values.begin(), values.end()) < 2);
  CHECK(uniform<T>(100, 3, 3) == std::vector<T>(100, 3));
  CHECK(normal<T>(100, 3, 0) == std::vector<T>(100, 3));
  CHECK(bernoulli<T>(1000, 0, 2) == std::vector<T>(1000, 0));
  CHECK(bernoulli<T>(1000, 1, 2) == std::vector<T>(1000, 2));
}

}  // namespace
}  // namespace attune
