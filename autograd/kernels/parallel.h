#pragma once
// Loops over threads. The chunks a loop is cut into depend on its size alone, so that every result
// is the same in every bit whatever the number of threads.

#include <cstdint>
#include <type_traits>

namespace attune {

// The threads that work on a loop, the caller included. At first as many as the cores this process
// may use, or ATTUNE_NUM_THREADS of the environment. Error below 1. Must not be called while
// another thread is inside parallel_for.
void set_num_threads(int count);
int num_threads();

namespace detail {

using ChunkFunction = void (*)(const void* context, std::int64_t begin, std::int64_t end);
void run_chunks(std::int64_t n, std::int64_t grain, ChunkFunction chunk, const void* context);

}  // namespace detail

// Calls f(begin, end) for consecutive chunks of `grain` indices that together cover 0 .. n - 1, on
// all threads. The first exception is passed on when all chunks have ended. A loop inside a loop,
// or beside another thread's, runs on the thread that calls it.
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
