#pragma once
// Vectors of float32 as GCC and Clang know them: arithmetic and shuffles of any number of lanes,
// which the compiler maps to the registers there are.

#include <cstring>

namespace attune {

template <int lanes>
using Vector [[gnu::vector_size(lanes * sizeof(float))]] = float;

// A vector from or to memory of any alignment: one instruction.
template <int lanes>
[[gnu::always_inline]] inline void load(Vector<lanes>& vector, const float* from) {
  std::memcpy(&vector, from, sizeof vector);
}
template <int lanes>
[[gnu::always_inline]] inline void put_down(const Vector<lanes>& vector, float* to) {
  std::memcpy(to, &vector, sizeof vector);
}

}  // namespace attune
