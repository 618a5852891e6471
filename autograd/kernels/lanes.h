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

// The independent lanes that sum_of() adds up in.
inline constexpr std::int64_t sum_lanes = 16;

// Adds f(i) for i below n, a multiple of sum_lanes, to the lanes.
template <class T, class F>
void add_to_lanes(T* sums, std::int64_t n, F f) {
  for (std::int64_t i = 0; i < n; i += sum_lanes) {
    for (std::int64_t l = 0; l < sum_lanes; ++l) sums[l] += f(i + l);
  }
}

// The sum of the lanes and of f(i) for i from `begin` to n - 1.
template <class T, class F>
T sum_with_lanes(const T* sums, std::int64_t begin, std::int64_t n, F f) {
  T result = fold<sum_lanes>(sums, [](T a, T b) { return a + b; });
  for (std::int64_t i = begin; i < n; ++i) result += f(i);
  return result;
}

// sum_i f(i) for i below n.
template <class T, class F>
T sum_of(std::int64_t n, F f) {
  T sums[sum_lanes] = {};
  const std::int64_t whole = n - n % sum_lanes;
  add_to_lanes(sums, whole, f);
  return sum_with_lanes(sums, whole, n, f);
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
