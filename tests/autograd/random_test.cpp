// The generator as a value: two integers that say where it stands, and what is drawn from there.

#include "autograd/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <thread>
#include <vector>

#include "autograd/tensor.h"

namespace attune {
namespace {

TEST_CASE("a generator goes on where its seed and offset say") {
  Generator generator(7);
  for (int i = 0; i < 5; ++i) generator.bits();
  Generator resumed(generator.seed(), generator.offset());
  for (int i = 0; i < 5; ++i) CHECK(resumed.bits() == generator.bits());
  Generator copy = generator;
  CHECK(copy.uniform() == generator.uniform());
  CHECK(Generator(7).bits() != Generator(8).bits());
}

TEST_CASE("reserve sets numbers apart") {
  Generator generator(7, 100);
  CHECK(generator.reserve(10) == 100);
  CHECK(generator.offset() == 110);
  CHECK(generator.bits() == Generator(7, 110).bits());
}

TEST_CASE("uniform numbers lie in [0, 1), evenly") {
  Generator generator(7);
  std::array<int, 10> counts{};
  constexpr int n = 100'000;
  for (int i = 0; i < n; ++i) {
    const double u = generator.uniform();
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    ++counts[static_cast<std::size_t>(u * 10)];
  }
  const double deviation = std::sqrt(n * 0.1 * 0.9);
  for (const int count : counts) CHECK(std::fabs(count - n / 10.0) < 4.5 * deviation);
}

TEST_CASE("below meets every number equally often, and no other") {
  Generator generator(7);
  std::array<int, 7> counts{};
  constexpr int n = 70'000;
  for (int i = 0; i < n; ++i) ++counts.at(generator.below(7));
  const double deviation = std::sqrt(n / 7.0);
  for (const int count : counts) CHECK(std::fabs(count - n / 7.0) < 4.5 * deviation);
  CHECK(generator.below(1) == 0);
  // Without drawing again, numbers below 2^62 would come twice as often as those above.
  constexpr std::uint64_t bound = 3 * (std::uint64_t{1} << 62);
  int low = 0;
  for (int i = 0; i < n; ++i) low += generator.below(bound) < bound / 3;
  CHECK(std::fabs(low - n / 3.0) < 4.5 * std::sqrt(n * 2 / 9.0));
}

TEST_CASE("shuffle gives every order equally often") {
  Generator generator(7);
  std::map<std::array<int, 4>, int> orders;
  constexpr int n = 24'000;
  for (int i = 0; i < n; ++i) {
    std::array<int, 4> items{0, 1, 2, 3};
    shuffle(std::span<int>(items), generator);
    ++orders[items];
  }
  CHECK(orders.size() == 24);
  for (const auto& [order, count] : orders)
    CHECK(std::abs(count - n / 24) < 4.5 * std::sqrt(n / 24));

  std::vector<int> empty;
  shuffle(std::span(empty), generator);
  std::vector<int> many(1000);
  std::iota(many.begin(), many.end(), 0);
  std::vector<int> shuffled = many;
  shuffle(std::span(shuffled), generator);
  CHECK(shuffled != many);
  CHECK(std::is_permutation(shuffled.begin(), shuffled.end(), many.begin()));
}

TEST_CASE("rand and randn draw from the default generator") {
  manual_seed(7);
  const auto first = rand({100}).to_vector<float>();
  const auto second = randn({100}).to_vector<float>();
  CHECK(rand({100}).to_vector<float>() != first);
  manual_seed(7);
  CHECK(rand({100}).to_vector<float>() == first);
  CHECK(randn({100}).to_vector<float>() == second);
  const auto within = rand({100}, -3, -1, DType::float64).to_vector<double>();
  CHECK(std::all_of(within.begin(), within.end(), [](double x) { return x >= -3 && x < -1; }));
}

TEST_CASE("every thread has a default generator of its own") {
  manual_seed(7);
  const std::uint64_t offset = default_generator().offset();
  std::thread([] {
    manual_seed(8);
    default_generator().bits();
  }).join();
  CHECK(default_generator().seed() == 7);
  CHECK(default_generator().offset() == offset);
}

}  // namespace
}  // namespace attune
