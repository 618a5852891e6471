#pragma once
// Reductions of contiguous memory seen as [outer, n, inner]: n becomes one. And running sums.

#include <cstdint>

namespace attune {

enum class Reduce { sum, max, min };

// out[o, i] = in[o, 0, i] op ... op in[o, n - 1, i]. For max and min n must not be 0; NaN wins. The
// order of the additions depends on the sizes only, never on the number of threads.
template <class T>
void reduce(Reduce op, T* out, const T* in, std::int64_t outer, std::int64_t n, std::int64_t inner);

// out[o, i] = the first k for which in[o, k, i] is largest, or is NaN.
template <class T>
void argmax(std::int64_t* out, const T* in, std::int64_t outer, std::int64_t n, std::int64_t inner);

// out[o, k, i] = in[o, 0, i] + ... + in[o, k, i].
template <class T>
void cumsum(T* out, const T* in, std::int64_t outer, std::int64_t n, std::int64_t inner);

}  // namespace attune
