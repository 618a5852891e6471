// A pool of helper threads that join the caller's loop if they come in time. The caller never waits
// for a helper to wake up: it closes the loop when no chunk is left, and then waits for those who
// did join.

#include "autograd/kernels/parallel.h"

#include <fmt/format.h>

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <array>
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

// Its chunks are cut into a part for each thread, the same in all loops over as much: what a thread
// wrote in one loop is in its cache when it reads it in the next. A thread that is done with its
// part takes chunks from the others'.
class Loop {
 public:
  Loop(std::int64_t n, std::int64_t grain, detail::ChunkFunction chunk, const void* context,
       std::int64_t threads)
      : n_(n),
        grain_(grain),
        chunk_(chunk),
        context_(context),
        chunks_(divide_up(n, grain)),
        parts_(std::min(threads, most_parts)),
        end_(n) {}

  // The work of a thread; they are counted from the caller's, which is 0.
  void work(std::int64_t thread) {
    for (std::int64_t i = 0; i < parts_; ++i) {
      const std::int64_t part = (thread + i) % parts_;
      const std::int64_t first = part * chunks_ / parts_, last = (part + 1) * chunks_ / parts_;
      Counter& taken = taken_[static_cast<std::size_t>(part)];
      for (std::int64_t chunk;
           (chunk = first + taken.value.fetch_add(1, std::memory_order_relaxed)) < last;) {
        run(chunk * grain_);
      }
    }
  }

  // Once all threads have left the loop.
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  static constexpr std::int64_t most_parts = 8;

  struct alignas(64) Counter {
    std::atomic<std::int64_t> value = 0;
  };

  void run(std::int64_t begin) {
    if (begin >= end_.load(std::memory_order_relaxed)) return;
    try {
      chunk_(context_, begin, std::min(n_, begin + grain_));
    } catch (...) {
      fail(begin);
    }
  }

  // What comes before `begin` must run, for it may throw too.
  void fail(std::int64_t begin) {
    const std::lock_guard lock(mutex_);
    if (begin >= end_.load(std::memory_order_relaxed)) return;
    error_ = std::current_exception();
    end_.store(begin, std::memory_order_relaxed);
  }

  const std::int64_t n_;
  const std::int64_t grain_;
  const detail::ChunkFunction chunk_;
  const void* const context_;
  const std::int64_t chunks_;
  const std::int64_t parts_;
  std::atomic<std::int64_t> end_;  // where the first chunk that threw begins
  std::array<Counter, most_parts> taken_;
  std::mutex mutex_;
  std::exception_ptr error_;
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
    helpers_.store(helpers, std::memory_order_relaxed);
    door_.store(static_cast<std::uint32_t>(helpers) * place, std::memory_order_release);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();

    inside_loop = true;
    loop.work(0);
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
        std::thread(&Pool::serve, this, started_ + 1, round_.load(std::memory_order_relaxed))
            .detach();
      }
    } catch (const std::exception&) {
    }
  }

  void serve(int thread, std::uint32_t seen) {
    inside_loop = true;
    while (true) {
      wait_while_equal(round_, seen);
      seen = round_.load(std::memory_order_acquire);
      if (thread > helpers_.load(std::memory_order_relaxed) || !enter()) continue;
      loop_->work(thread);
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
  // Of the threads started, the first so many are to help.
  std::atomic<int> helpers_ = 0;
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
  const std::int64_t threads =
      inside_loop ? 1 : std::min<std::int64_t>(num_threads(), divide_up(n, grain));
  Loop loop(n, grain, chunk, context, threads);
  if (threads == 1 || !pool.run(loop, static_cast<int>(threads) - 1)) loop.work(0);
  loop.rethrow();
}

}  // namespace detail
}  // namespace attune
