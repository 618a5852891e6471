// The promises of parallel_for: chunks that depend on the size alone, every index once, exceptions
// as from a plain loop, and no deadlock when loops meet, whatever the number of threads.

#include "autograd/kernels/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "autograd/error.h"

namespace attune {
namespace {

using Chunks = std::set<std::pair<std::int64_t, std::int64_t>>;

Chunks chunks_of(std::int64_t n, std::int64_t grain) {
  std::mutex mutex;
  Chunks chunks;
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::lock_guard lock(mutex);
    CHECK(chunks.emplace(begin, end).second);
  });
  return chunks;
}

TEST_CASE("chunks depend on the size alone") {
  for (const int count : {1, 2, 3, 8}) {
    const Threads threads(count);
    CHECK(chunks_of(10, 4) == Chunks{{0, 4}, {4, 8}, {8, 10}});
    CHECK(chunks_of(8, 4) == Chunks{{0, 4}, {4, 8}});
    CHECK(chunks_of(4, 4) == Chunks{{0, 4}});
    CHECK(chunks_of(1, 4) == Chunks{{0, 1}});
    CHECK(chunks_of(0, 4).empty());
    CHECK(chunks_of(-1, 4).empty());
    CHECK(chunks_of(3, std::numeric_limits<std::int64_t>::max()) == Chunks{{0, 3}});
  }
}

TEST_CASE("every index is met once, in loops that follow closely") {
  const Threads threads(4);
  constexpr std::int64_t n = 1000;
  std::vector<int> meetings(n);
  constexpr int loops = 2000;
  for (int loop = 0; loop < loops; ++loop) {
    parallel_for(n, 1 + loop % 300, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++meetings[static_cast<std::size_t>(i)];
    });
  }
  CHECK(meetings == std::vector<int>(n, loops));
}

TEST_CASE("helpers take part") {
  const Threads threads(2);
  std::atomic<int> arrived = 0;
  // Each chunk waits for the other, so one thread alone would never finish.
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    ++arrived;
    while (arrived.load() < 2) std::this_thread::yield();
  });
  CHECK(arrived == 2);
}

TEST_CASE("a thread begins with the same part of every loop over as much") {
  const Threads threads(2);
  const auto caller = std::this_thread::get_id();
  for (int repeat = 0; repeat < 100; ++repeat) {
    std::atomic<int> arrived = 0;
    std::vector<std::int64_t> of_caller, of_helper;
    parallel_for(6, 1, [&](std::int64_t chunk, std::int64_t) {
      (std::this_thread::get_id() == caller ? of_caller : of_helper).push_back(chunk);
      ++arrived;
      while (arrived.load() < 2) std::this_thread::yield();  // until each thread has one
    });
    REQUIRE(of_caller.at(0) == 0);
    REQUIRE(of_helper.at(0) == 3);
  }
}

TEST_CASE("the exception of the first chunk that throws is passed on") {
  for (const int count : {1, 2, 4}) {
    const Threads threads(count);
    for (int repeat = 0; repeat < 100; ++repeat) {
      std::string caught;
      std::atomic<int> before = 0;
      try {
        parallel_for(64, 1, [&](std::int64_t begin, std::int64_t) {
          if (begin >= 7) throw std::out_of_range(std::to_string(begin));
          ++before;
        });
      } catch (const std::out_of_range& error) {
        caught = error.what();
      }
      REQUIRE(caught == "7");
      REQUIRE(before == 7);
    }
    CHECK(chunks_of(3, 1).size() == 3);
  }
}

TEST_CASE("loops inside loops, and beside each other") {
  const Threads threads(2);
  std::atomic<std::int64_t> sum = 0;
  const auto add_nested = [&] {
    parallel_for(20, 1, [&](std::int64_t, std::int64_t) {
      parallel_for(30, 7, [&](std::int64_t begin, std::int64_t end) { sum += end - begin; });
    });
  };
  std::vector<std::thread> users;
  for (int user = 0; user < 3; ++user) {
    users.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat) add_nested();
    });
  }
  // Changing the number of threads meanwhile disturbs nobody.
  for (int repeat = 0; repeat < 50; ++repeat) set_num_threads(1 + repeat % 4);
  for (std::thread& user : users) user.join();
  CHECK(sum == 3 * 50 * 20 * 30);
}

TEST_CASE("the number of threads") {
  const Threads threads(3);
  CHECK(num_threads() == 3);
  CHECK_THROWS_WITH_AS(set_num_threads(0),
                       "set_num_threads: 0 threads were asked for. Ask for between 1 and 1024.",
                       Error);
  CHECK_THROWS_AS(set_num_threads(1025), Error);
  CHECK(num_threads() == 3);
}

#if defined(__linux__) && !defined(__SANITIZE_THREAD__)  // which does not allow fork with threads
TEST_CASE("a forked child runs its loops alone") {
  const Threads threads(2);
  CHECK(chunks_of(10, 1).size() == 10);  // starts the helper, which the child will not have
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<int> sum = 0;
    parallel_for(10, 1, [&](std::int64_t begin, std::int64_t) { sum += static_cast<int>(begin); });
    _exit(sum);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 45);
}
#endif

}  // namespace
}  // namespace attune
