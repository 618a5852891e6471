#pragma once
// Sums that vectorise without leave to reorder additions: the order is the same on every machine.

#include <cstdint>

namespace attune {

// sum_i f(i) for i below n, in independent lanes.
template <class T, class F>
T sum_of(std::int64_t n, F f) {
  constexpr std::int64_t lanes = 16;
  T partial[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (std::int64_t l = 0; l < lanes; ++l) partial[l] += f(i + l);
  }
  for (std::int64_t half = lanes / 2; half > 0; half /= 2) {
    for (std::int64_t l = 0; l < half; ++l) partial[l] += partial[l + half];
  }
  T result = partial[0];
  for (; i < n; ++i) result += f(i);
  return result;
}

}  // namespace attune
