#pragma once
// Sums and maxima that vectorise without leave to reorder operations: the order is the same on
// every machine.

#include <cstddef>
#include <cstdint>

namespace attune {

// One value of `count` lanes, a power of two: the halves are combined, and their halves again. Each
// half is an array of its own, which compilers keep in registers.
template <std::size_t count, class T, class F>
T fold(const T* lanes, F combine) {
  if constexpr (count == 1) {
    return lanes[0];
  } else {
    constexpr std::size_t rest = count / 2;
    T half[rest];
    for (std::size_t l = 0; l < rest; ++l) half[l] = combine(lanes[l], lanes[l + rest]);
    return fold<rest>(half, combine);
  }
}

// sum_i f(i) for i below n, in independent lanes.
template <class T, class F>
T sum_of(std::int64_t n, F f) {
  constexpr std::int64_t lanes = 16;
  T partial[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::int64_t l = 0; l < lanes; ++l) partial[l] += f(i + l);
  }
  T result = fold<lanes>(partial, [](T a, T b) { return a + b; });
  for (; i < n; ++i) result += f(i);
  return result;
}

// The largest of n numbers, at least one. GCC takes fewer lanes one by one.
template <class T>
T largest_of(const T* x, std::int64_t n) {
  constexpr std::int64_t lanes = 32;
  const auto larger = [](T a, T b) { return b > a ? b : a; };
  T partial[lanes];
  for (std::int64_t l = 0; l < lanes; ++l) partial[l] = x[0];
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::int64_t l = 0; l < lanes; ++l) partial[l] = larger(partial[l], x[i + l]);
  }
  T result = fold<lanes>(partial, larger);
  for (; i < n; ++i) result = larger(result, x[i]);
  return result;
}

}  // namespace attune
