// Shuffle, sort within pools, cut into batches, shuffle the batches.

#include "nn/data/buckets.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

#include "autograd/error.h"

namespace attune::data {

namespace {

using Indices = std::vector<std::size_t>;

// The consecutive parts of `items` of `size` elements, the last of what is left.
std::vector<std::span<std::size_t>> cut(std::span<std::size_t> items, std::size_t size) {
  std::vector<std::span<std::size_t>> parts;
  for (; !items.empty(); items = items.subspan(parts.back().size())) {
    parts.push_back(items.first(std::min(size, items.size())));
  }
  return parts;
}

void check(std::size_t sources, std::size_t targets, std::size_t batch_size,
           std::size_t pool_batches) {
  if (sources != targets) {
    throw Error(fmt::format(
        "cannot batch {} sources with {} targets; give the lengths of both sides of every example",
        sources, targets));
  }
  if (batch_size == 0 || pool_batches == 0) {
    throw Error(fmt::format("cannot make pools of {} batches of {} examples; both must be positive",
                            pool_batches, batch_size));
  }
}

}  // namespace

std::vector<Indices> shuffled_batches(std::span<const std::size_t> source_lengths,
                                      std::span<const std::size_t> target_lengths,
                                      std::size_t batch_size, Generator& generator,
                                      std::size_t pool_batches) {
  check(source_lengths.size(), target_lengths.size(), batch_size, pool_batches);
  Indices order(source_lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  shuffle(std::span(order), generator);

  // A pool beyond the end of the examples is no larger than all of them; min keeps the product from
  // overflowing.
  const std::size_t pool_size = std::min(pool_batches, order.size() / batch_size + 1) * batch_size;
  std::vector<Indices> batches;
  for (const auto pool : cut(order, pool_size)) {
    std::sort(pool.begin(), pool.end(), [&](std::size_t a, std::size_t b) {
      const auto key = [&](std::size_t i) {
        return std::tuple(source_lengths[i], target_lengths[i], i);
      };
      return key(a) < key(b);
    });
    for (const auto batch : cut(pool, batch_size)) batches.emplace_back(batch.begin(), batch.end());
  }
  shuffle(std::span(batches), generator);
  return batches;
}

}  // namespace attune::data
