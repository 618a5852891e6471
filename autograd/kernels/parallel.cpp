#include "autograd/kernels/parallel.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "autograd/error.h"

namespace attune {
namespace {

// Rounds a waiting thread looks again before it asks the system to be woken: some ten microseconds,
// more than lies between two loops of a training step.
constexpr int spins = 4000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// One loop: its threads take chunks from a counter until none is left.
struct Loop {
  std::int64_t n;
  std::int64_t grain;
  detail::ChunkFunction chunk;
  const void* context;
  std::atomic<std::int64_t> next = 0;
  std::mutex mutex{};
  std::exception_ptr error{};

  void work() {
    for (std::int64_t begin; (begin = next.fetch_add(grain)) < n;) {
      try {
        chunk(context, begin, std::min(n, begin + grain));
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
    }
  }
};

constinit thread_local bool inside_loop = false;

class Pool {
 public:
  explicit Pool(int helpers) {
    for (int i = 0; i < helpers; ++i) threads_.emplace_back([this] { serve(); });
  }
  ~Pool() {
    stopping_.store(true);
    announce();
    for (std::thread& thread : threads_) thread.join();
  }

  int helpers() const { return static_cast<int>(threads_.size()); }

  void run(Loop& loop) {
    busy_.store(helpers());
    loop_ = &loop;
    announce();
    loop.work();
    for (int waited = 0, left; (left = busy_.load()) != 0; ++waited) {
      waited < spins ? pause() : busy_.wait(left);
    }
  }

 private:
  void announce() {
    round_.fetch_add(1);
    round_.notify_all();
  }

  void serve() {
    inside_loop = true;
    for (std::uint32_t seen = 0;;) {
      for (int waited = 0; round_.load() == seen; ++waited) {
        waited < spins ? pause() : round_.wait(seen);
      }
      if (stopping_.load()) return;
      ++seen;
      loop_->work();
      if (busy_.fetch_sub(1) == 1) busy_.notify_one();
    }
  }

  std::atomic<std::uint32_t> round_ = 0;  // counts the loops announced
  std::atomic<int> busy_ = 0;             // helpers that have not finished the current loop
  std::atomic<bool> stopping_ = false;
  Loop* loop_ = nullptr;  // written before the announcement, read after it
  std::vector<std::thread> threads_;
};

int default_threads() {
  if (const char* const wish = std::getenv("ATTUNE_NUM_THREADS")) {
    if (const int count = std::atoi(wish); count >= 1) return count;
  }
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return std::max(1, CPU_COUNT(&cores));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

struct Threads {
  std::mutex one_loop;  // held by the thread whose loop the pool is running
  int count = default_threads();
  std::unique_ptr<Pool> pool;
};

Threads& threads() {
  static Threads instance;
  return instance;
}

}  // namespace

void set_num_threads(int count) {
  if (count < 1) throw Error("set_num_threads: at least one thread is needed.");
  Threads& all = threads();
  const std::lock_guard lock(all.one_loop);
  if (count != all.count) all.pool.reset();
  all.count = count;
}

int num_threads() {
  return threads().count;
}

namespace detail {

void run_chunks(std::int64_t n, std::int64_t grain, ChunkFunction chunk, const void* context) {
  Loop loop{.n = n, .grain = grain, .chunk = chunk, .context = context};
  Threads& all = threads();
  std::unique_lock lock(all.one_loop, std::defer_lock);
  if (inside_loop || all.count == 1 || !lock.try_lock()) {
    loop.work();
  } else {
    if (!all.pool) all.pool = std::make_unique<Pool>(all.count - 1);
    inside_loop = true;
    all.pool->run(loop);
    inside_loop = false;
  }
  if (loop.error) std::rethrow_exception(loop.error);
}

}  // namespace detail
}  // namespace attune
