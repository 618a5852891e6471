// Batches of an epoch: complete, random, repeatable and nearly free of padding.

#include "nn/data/buckets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "autograd/error.h"

using attune::Error;
using attune::Generator;
using attune::data::shuffled_batches;
using Lengths = std::vector<std::size_t>;
using Batches = std::vector<Lengths>;

namespace {

Lengths random_lengths(Generator& generator, std::size_t count) {
  Lengths lengths;
  for (std::size_t i = 0; i < count; ++i) lengths.push_back(1 + generator.below(40));
  return lengths;
}

// Padded source positions over real ones.
double padding_ratio(const Batches& batches, const Lengths& lengths) {
  std::size_t padded = 0, real = 0;
  for (const auto& batch : batches) {
    std::size_t longest = 0;
    for (const std::size_t i : batch) {
      longest = std::max(longest, lengths[i]);
      real += lengths[i];
    }
    padded += longest * batch.size();
  }
  return static_cast<double>(padded) / static_cast<double>(real);
}

}  // namespace

TEST_CASE("every index is in an epoch exactly once, in batches of the size asked for") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    Generator generator(seed);
    const std::size_t count = generator.below(300), batch_size = 1 + generator.below(40);
    const std::size_t pool = 1 + generator.below(5);
    const Lengths lengths = random_lengths(generator, count);
    const Batches batches = shuffled_batches(lengths, lengths, batch_size, generator, pool);
    Lengths seen;
    std::size_t small = 0;
    for (const auto& batch : batches) {
      CHECK(!batch.empty());
      CHECK(batch.size() <= batch_size);
      small += batch.size() < batch_size;
      seen.insert(seen.end(), batch.begin(), batch.end());
    }
    std::sort(seen.begin(), seen.end());
    CHECK(seen.size() == count);
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    CHECK((count == 0 || seen.back() == count - 1));
    CHECK(small == (count % batch_size == 0 ? 0 : 1));
  }
}

TEST_CASE("equal generators give equal epochs, and the next epoch differs") {
  Generator lengths_generator(1), first(7), second(7);
  const Lengths lengths = random_lengths(lengths_generator, 500);
  const Batches epoch = shuffled_batches(lengths, lengths, 16, first);
  CHECK(epoch == shuffled_batches(lengths, lengths, 16, second));
  CHECK(epoch != shuffled_batches(lengths, lengths, 16, first));
}

TEST_CASE("a seed stands for the same batches on every machine") {
  Generator generator(1);
  const Lengths lengths = {5, 3, 9, 1, 7, 2};
  CHECK(shuffled_batches(lengths, lengths, 2, generator) == Batches{{3, 5}, {4, 2}, {1, 0}});
}

TEST_CASE("no two epochs have the same batches, but for their order") {
  Generator generator(3);
  const Lengths lengths = random_lengths(generator, 2000);
  const auto as_set = [](Batches batches) {
    for (auto& batch : batches) std::sort(batch.begin(), batch.end());
    return std::set<Lengths>(batches.begin(), batches.end());
  };
  const auto one = as_set(shuffled_batches(lengths, lengths, 16, generator, 10));
  const auto other = as_set(shuffled_batches(lengths, lengths, 16, generator, 10));
  Batches common;
  std::set_intersection(one.begin(), one.end(), other.begin(), other.end(),
                        std::back_inserter(common));
  CHECK(common.empty());
}

TEST_CASE("similar lengths meet, and short batches are not all first") {
  Generator generator(5);
  const Lengths lengths = random_lengths(generator, 20000);
  const Batches batches = shuffled_batches(lengths, lengths, 32, generator);
  CHECK(padding_ratio(batches, lengths) < 1.03);
  CHECK(padding_ratio(shuffled_batches(lengths, lengths, 32, generator, 1), lengths) > 1.5);

  std::size_t ascents = 0;
  for (std::size_t i = 1; i < batches.size(); ++i) {
    ascents += lengths[batches[i - 1][0]] < lengths[batches[i][0]];
  }
  const double share = static_cast<double>(ascents) / static_cast<double>(batches.size());
  CHECK(share > 0.4);
  CHECK(share < 0.6);
}

TEST_CASE("equal source lengths are ordered by their targets") {
  Generator generator(6);
  const Lengths targets = random_lengths(generator, 640), sources(targets.size(), 5);
  CHECK(padding_ratio(shuffled_batches(sources, targets, 16, generator), targets) < 1.06);
}

TEST_CASE("no examples make no batches, and misuse is refused") {
  Generator generator(1);
  const Lengths none, one = {3}, two = {3, 4};
  CHECK(shuffled_batches(none, none, 8, generator).empty());
  CHECK(shuffled_batches(one, one, 1u << 30, generator, ~std::size_t{0}) == Batches{{0}});
  CHECK_THROWS_WITH_AS(
      shuffled_batches(one, two, 8, generator),
      "cannot batch 1 sources with 2 targets; give the lengths of both sides of every example",
      Error);
  CHECK_THROWS_WITH_AS(shuffled_batches(one, one, 0, generator),
                       "cannot make pools of 50 batches of 0 examples; both must be positive",
                       Error);
  CHECK_THROWS_AS(shuffled_batches(one, one, 8, generator, 0), Error);
}
