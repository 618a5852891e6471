#pragma once
// Whole numbers cut into parts and filled up.

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace attune {

// The least multiple that is not below `count`.
template <class Integer>
constexpr Integer round_up(Integer count, std::type_identity_t<Integer> multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// The size of `count` cut into equal parts, as few as can be with none above `most`.
constexpr std::int64_t equal_part(std::int64_t count, std::int64_t most) {
  const std::int64_t parts = std::max<std::int64_t>(1, (count + most - 1) / most);
  return (count + parts - 1) / parts;
}

}  // namespace attune
