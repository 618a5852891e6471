// The caching allocator, and the counts of what is alive.
#include "autograd/allocator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "autograd/ops.h"

namespace attune {
namespace {

using doctest::Contains;

constexpr std::int64_t megabyte = 1 << 20;

// A test that reads memory_stats().peak_bytes begins at a known peak.
struct FreshPeak {
  FreshPeak() { reset_peak_bytes(); }
  std::int64_t before = memory_stats().live_bytes;
  std::int64_t peak() const { return memory_stats().peak_bytes - before; }
  std::int64_t live() const { return memory_stats().live_bytes - before; }
};

TEST_CASE("blocks of all sizes are aligned, apart and writable to the end") {
  std::vector<std::pair<std::byte*, std::size_t>> blocks;
  for (std::size_t bytes = 1; bytes < 200'000; bytes += bytes / 7 + 1) {
    auto* const block = static_cast<std::byte*>(allocate(bytes));
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 64 == 0);
    std::memset(block, static_cast<int>(blocks.size() % 251), bytes);
    blocks.emplace_back(block, bytes);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    const auto is_ours = [i](std::byte b) { return b == static_cast<std::byte>(i % 251); };
    CHECK(std::all_of(block, block + bytes, is_ours));
    deallocate(block, bytes);
  }
}

TEST_CASE("freed blocks are handed out again" * doctest::skip(!allocator_caches)) {
  for (const std::size_t bytes : {std::size_t{100}, std::size_t{50'000}, std::size_t{3'000'000}}) {
    void* const first = allocate(bytes);
    deallocate(first, bytes);
    void* const second = allocate(bytes - 10);
    CHECK(second == first);
    deallocate(second, bytes - 10);
  }
}

// Free and live.
std::int64_t held() {
  const MemoryStats stats = memory_stats();
  return stats.live_bytes + stats.cached_bytes;
}

TEST_CASE("steps of all lengths live in the memory of the longest" *
          doctest::skip(!allocator_caches)) {
  empty_cache();
  std::int64_t after_longest = 0;
  for (std::int64_t step = 0; step < 50; ++step) {
    const std::int64_t length = 20'000 - 2'000 * (step % 10);
    {
      std::vector<Tensor> activations;
      for (std::int64_t i = 1; i <= 60; ++i) activations.push_back(empty({i, length}));
    }
    if (step == 0) after_longest = held();
    CHECK(held() <= after_longest);
  }
  empty_cache();
}

TEST_CASE("empty_cache() gives back what is kept for reuse" * doctest::skip(!allocator_caches)) {
  empty_cache();
  CHECK(memory_stats().cached_bytes == 0);
  { const Tensor x = empty({4 * megabyte}); }
  CHECK(memory_stats().cached_bytes >= 16 * megabyte);
  {
    // Small blocks beyond what a thread keeps for itself are kept for all.
    std::vector<Tensor> many;
    for (int i = 0; i < 10'000; ++i) many.push_back(empty({64}));
  }
  CHECK(memory_stats().cached_bytes >= 16 * megabyte + 10'000 * 256 / 2);
  empty_cache();
  CHECK(memory_stats().cached_bytes == 0);
}

TEST_CASE("what has become too small for all is not kept" * doctest::skip(!allocator_caches)) {
  empty_cache();
  for (std::int64_t size = megabyte; size < 64 * megabyte; size += size / 8) {
    { const Tensor x = empty({size}, DType::boolean); }
    CHECK(memory_stats().cached_bytes <= size + 10 * megabyte);
  }
  empty_cache();
}

TEST_CASE("small blocks that are cached are bounded by what has been live" *
          doctest::skip(!allocator_caches)) {
  empty_cache();
  reset_peak_bytes();
  // 13 MB a round, of another size each time, beside the 16 MiB that may be cached in any case.
  for (std::int64_t size = 1000; size < 10'000; size += 1000) {
    std::vector<Tensor> many;
    for (std::int64_t i = 0; i < 13'000'000 / size; ++i) {
      many.push_back(empty({size}, DType::boolean));
    }
  }
  CHECK(held() <= 64 * megabyte);
  empty_cache();
}

TEST_CASE("live and peak bytes count the buffers, once each") {
  const FreshPeak since;
  {
    const Tensor x = zeros({1000});
    CHECK(since.live() == 4000);
    const Tensor same = x;
    const Tensor view = transpose(reshape(x, {10, 100}));
    CHECK(since.live() == 4000);
    { const Tensor y = zeros({500}, DType::float64); }
    CHECK(since.live() == 4000);
    CHECK(since.peak() == 8000);
    reset_peak_bytes();
    CHECK(since.peak() == 4000);
  }
  CHECK(since.live() == 0);
  CHECK(since.peak() == 4000);
}

TEST_CASE("the peak is that of all threads together, wherever memory is freed") {
  const FreshPeak since;
  for (int i = 0; i < 50; ++i) {
    const Tensor made = std::async(std::launch::async, [] { return zeros({100'000}); }).get();
    CHECK(since.live() == 400'000);
  }
  CHECK(since.live() == 0);
  CHECK(since.peak() >= 400'000);
  CHECK(since.peak() < 1'000'000);
}

TEST_CASE("a thread that allocates what another frees gets the blocks back" *
          doctest::skip(!allocator_caches)) {
  constexpr std::size_t rounds = 200;
  constexpr std::size_t blocks = 100;
  std::set<void*> seen;
  std::vector<std::promise<std::vector<void*>>> made(rounds);
  std::vector<std::promise<void>> taken(rounds);
  std::thread producer([&] {
    for (std::size_t round = 0; round < rounds; ++round) {
      std::vector<void*> batch;
      for (std::size_t i = 0; i < blocks; ++i) batch.push_back(allocate(1000));
      made[round].set_value(batch);
      taken[round].get_future().wait();
    }
  });
  for (std::size_t round = 0; round < rounds; ++round) {
    for (void* const block : made[round].get_future().get()) {
      seen.insert(block);
      deallocate(block, 1000);
    }
    taken[round].set_value();
  }
  producer.join();
  CHECK(seen.size() < rounds * blocks / 10);
}

TEST_CASE("many threads allocate, pass on and free at once") {
  const std::int64_t live_before = memory_stats().live_bytes;
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  constexpr std::size_t thread_count = 4;
  constexpr int steps = 2000;
  std::mutex mutex;
  std::vector<Tensor> passed_on;
  std::vector<int> wrong(thread_count);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < thread_count; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(seed + static_cast<unsigned>(t));
      std::vector<Tensor> mine;
      for (int step = 0; step < steps; ++step) {
        const auto size = std::int64_t{1} << (random() % 16);
        mine.push_back(full({size}, static_cast<double>(size)));
        if (random() % 4 == 0) {
          const std::lock_guard lock(mutex);
          passed_on.push_back(mine.back());
          std::swap(passed_on[random() % passed_on.size()], mine.back());
        }
        if (mine.size() > 8) mine.erase(mine.begin() + static_cast<int>(random() % 8));
        for (const Tensor& tensor : mine) {
          if (tensor.at({-1}) != static_cast<double>(tensor.numel())) ++wrong[t];
        }
        if (step % 500 == 0) empty_cache();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(thread_count));
  passed_on.clear();
  CHECK(memory_stats().live_bytes == live_before);
}

thread_local Tensor kept_by_thread;
Tensor kept_until_exit;

TEST_CASE("tensors may outlive their thread's other objects") {
  const std::int64_t live_before = memory_stats().live_bytes;
  const std::int64_t nodes_before = memory_stats().live_nodes;
  std::thread([] {
    // Made before the thread first allocates, and so destroyed after the allocator is done with it.
    Tensor& kept = kept_by_thread;
    const Tensor x = zeros({10}).requires_grad_();
    kept = x * 2 + x;
  }).join();
  CHECK(memory_stats().live_bytes == live_before);
  CHECK(memory_stats().live_nodes == nodes_before);
}

TEST_CASE("a graph may live until the program ends") {
  const Tensor x = zeros({10}).requires_grad_();
  for (int graph = 0; graph < 2; ++graph) {
    kept_until_exit = x * x;
    for (int i = 0; i < 10; ++i) kept_until_exit = kept_until_exit * x;
  }
  CHECK(kept_until_exit.requires_grad());
}

TEST_CASE("more memory than any system has is an error") {
  CHECK_THROWS_WITH_AS(allocate(std::size_t{1} << 60),
                       Contains("out of memory: no system has 1152921504606846976 bytes."), Error);
}

}  // namespace
}  // namespace attune
