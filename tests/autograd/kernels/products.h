#pragma once
// What the tests of matrix products multiply and add.

#include <array>
#include <cstdint>
#include <vector>

#include "autograd/kernels/gemm.h"
#include "autograd/random.h"

namespace attune {

template <class T>
std::vector<T> random_numbers(std::int64_t count, Generator& generator) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(generator.uniform() - 0.5);
  return values;
}

// What a product is added to: nothing, what is there, or one row for all.
enum class Adds { nothing, itself, row };
constexpr std::array addends{Adds::nothing, Adds::itself, Adds::row};

template <class T>
Addend<T> addend_of(Adds adds, const T* c, std::int64_t ldc, const T* row) {
  if (adds == Adds::nothing) return {};
  return adds == Adds::itself ? Addend<T>{c, ldc} : Addend<T>{row, 0};
}

}  // namespace attune
