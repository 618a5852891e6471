// A pool of helper threads that join the caller's loop if they come in time. The caller never waits
// for a helper to wake up: it closes the loop when no chunk is left, and then waits for those who
// did join.

#include "autograd/kernels/parallel.h"

#include <fmt/format.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>

#include "autograd/error.h"
#include "autograd/kernels/rounding.h"

namespace attune {
namespace {

constexpr int most_threads = 1024;

// How long a thread looks again before it sleeps: about what waking it up would cost, which on a
// virtual machine is much. Meanwhile it yields to whoever has work to do.
constexpr std::chrono::microseconds patience{500};

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

void wait_while_equal(const std::atomic<std::uint32_t>& atomic, std::uint32_t value) {
  const auto until = std::chrono::steady_clock::now() + patience;
  do {
    for (int looks = 0; looks < 32; ++looks) {
      if (atomic.load(std::memory_order_acquire) != value) return;
      pause();
    }
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < until);
  atomic.wait(value, std::memory_order_acquire);
}

// Threads take its chunks from a counter until none is left.
class Loop {
 public:
  Loop(std::int64_t n, std::int64_t grain, detail::ChunkFunction chunk, const void* context)
      : n_(n), grain_(grain), chunk_(chunk), context_(context) {}

  void work() {
    for (std::int64_t begin; (begin = next_.fetch_add(grain_, std::memory_order_relaxed)) < n_;) {
      try {
        chunk_(context_, begin, std::min(n_, begin + grain_));
      } catch (...) {
        fail(begin);
      }
    }
  }

  // Once all threads have left the loop.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // Chunks are taken in order, so whatever throws before `begin` was already taken.
  void fail(std::int64_t begin) {
    next_.store(n_, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    if (error_ && error_at_ < begin) return;
    error_ = std::current_exception();
    error_at_ = begin;
  }

  const std::int64_t n_;
  const std::int64_t grain_;
  const detail::ChunkFunction chunk_;
  const void* const context_;
  std::atomic<std::int64_t> next_ = 0;
  std::mutex mutex_;
  std::exception_ptr error_;
  std::int64_t error_at_ = 0;
};

// Whether this thread is at work on a chunk, or is a helper.
constinit thread_local bool inside_loop = false;

class Pool {
 public:
  // Works on the loop with up to that many helpers. False, and nothing done, if another thread's
  // loop is running.
  bool run(Loop& loop, int helpers) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    start(helpers);
    loop_ = &loop;
    door_.store(static_cast<std::uint32_t>(helpers) * place, std::memory_order_release);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();

    inside_loop = true;
    loop.work();
    inside_loop = false;

    door_.fetch_and(place - 1, std::memory_order_acquire);
    for (std::uint32_t inside; (inside = door_.load(std::memory_order_acquire)) != 0;) {
      wait_while_equal(door_, inside);
    }
    busy_.clear(std::memory_order_release);
    return true;
  }

 private:
  // Helpers are never stopped: they sleep until the process ends, and may not be joined then, for
  // static objects may run loops in their destructors. If the system has no more threads to give,
  // fewer must do.
  void start(int helpers) {
    try {
      for (; started_ < helpers; ++started_) {
        std::thread(&Pool::serve, this, round_.load(std::memory_order_relaxed)).detach();
      }
    } catch (const std::exception&) {
    }
  }

  void serve(std::uint32_t seen) {
    inside_loop = true;
    while (true) {
      wait_while_equal(round_, seen);
      seen = round_.load(std::memory_order_acquire);
      if (!enter()) continue;
      loop_->work();
      if (door_.fetch_sub(1, std::memory_order_release) == 1) door_.notify_one();
    }
  }

  // Takes one of the places that are left. Having it, a helper may use loop_ until it leaves.
  bool enter() {
    std::uint32_t door = door_.load(std::memory_order_relaxed);
    while (door >= place) {
      if (door_.compare_exchange_weak(door, door - place + 1, std::memory_order_acquire)) {
        return true;
      }
    }
    return false;
  }

  static constexpr std::uint32_t place = 1 << 16;

  // The helpers inside the loop, plus `place` times those that may still come in.
  alignas(64) std::atomic<std::uint32_t> door_ = 0;
  // Counts the loops; helpers that have nothing to do wait for it to change.
  alignas(64) std::atomic<std::uint32_t> round_ = 0;
  Loop* loop_ = nullptr;
  std::atomic_flag busy_;
  int started_ = 0;
};

int usable_cores() {
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return std::max(1, CPU_COUNT(&cores));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int default_threads() {
  const int cores = std::min(usable_cores(), most_threads);
  const char* const variable = std::getenv("ATTUNE_NUM_THREADS");
  if (!variable || !*variable) return cores;
  const std::string_view text = variable;
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1) {
    throw Error(
        fmt::format("the environment variable ATTUNE_NUM_THREADS is \"{}\", which is no number of "
                    "threads. Set it "
                    "to 1 or more, or unset it to use all cores.",
                    text));
  }
  return std::min(count, cores);
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count = default_threads();
  return count;
}

}  // namespace

void set_num_threads(int count) {
  if (count < 1 || count > most_threads) {
    throw Error(fmt::format("set_num_threads: {} threads were asked for. Ask for between 1 and {}.",
                            count, most_threads));
  }
  thread_count().store(count, std::memory_order_relaxed);
}

int num_threads() {
  return thread_count().load(std::memory_order_relaxed);
}

namespace detail {

void run_chunks(std::int64_t n, std::int64_t grain, ChunkFunction chunk, const void* context) {
  static Pool& pool = *new Pool;
  Loop loop(n, grain, chunk, context);
  if (inside_loop) {
    loop.work();
  } else {
    const std::int64_t chunks = divide_up(n, grain);
    const auto helpers = static_cast<int>(std::min<std::int64_t>(num_threads(), chunks)) - 1;
    if (helpers == 0 || !pool.run(loop, helpers)) loop.work();
  }
  loop.rethrow();
}

}  // namespace detail
}  // namespace attune
