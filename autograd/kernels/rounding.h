#pragma once
// Whole numbers cut into parts and filled up.

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace attune {

// How many parts of at most `size` there are in `count`, which is not negative.
template <class Integer>
constexpr Integer divide_up(Integer count, std::type_identity_t<Integer> size) {
  return count / size + (count % size != 0 ? 1 : 0);
}

// The least multiple that is not below `count`.
template <class Integer>
constexpr Integer round_up(Integer count, std::type_identity_t<Integer> multiple) {
  return divide_up(count, multiple) * multiple;
}

// The size of `count` cut into equal parts, as few as can be with none above `most`.
constexpr std::int64_t equal_part(std::int64_t count, std::int64_t most) {
  return divide_up(count, std::max<std::int64_t>(1, divide_up(count, most)));
}

}  // namespace attune
