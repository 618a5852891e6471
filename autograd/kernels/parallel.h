#pragma once
// Loops over threads. The chunks a loop is cut into depend on its size alone, so that every result
// is the same in every bit whatever the number of threads.

#include <cstdint>

namespace attune {

// The threads that work on a loop, the caller included. At first as many as the cores this process
// may use, or ATTUNE_NUM_THREADS of the environment if that is fewer. Error unless between 1 and
// 1024, in the call or in the environment. May be called at any time; loops that run go on as
// begun.
void set_num_threads(int count);
int num_threads();

// While it lives there are so many threads, and then again as many as before.
class Threads {
 public:
  explicit Threads(int count) : before_(num_threads()) { set_num_threads(count); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { set_num_threads(before_); }

 private:
  int before_;
};

namespace detail {

using ChunkFunction = void (*)(const void* context, std::int64_t begin, std::int64_t end);
void run_chunks(std::int64_t n, std::int64_t grain, ChunkFunction chunk, const void* context);

}  // namespace detail

// Calls f(begin, end) for consecutive chunks of `grain` indices, which is positive, that together
// cover 0 .. n - 1, on all threads. A loop of one chunk, a loop inside a loop, and a loop beside
// another thread's run on the thread that calls them, with the same chunks.
//
// If chunks throw, the exception of the first of them, in the order of the indices, is passed on,
// as from a plain loop; some chunks after it may have run. After fork() the child has no helper
// threads and runs its loops alone.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, const F& f) {
  if (n <= 0) return;
  if (n <= grain) {
    f(std::int64_t{0}, n);
    return;
  }
  detail::run_chunks(
      n, grain,
      [](const void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<const F*>(context))(begin, end);
      },
      &f);
}

}  // namespace attune
