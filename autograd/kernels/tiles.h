#pragma once
// A product is computed in tiles of rows x columns that stay in registers while k runs.

#include <algorithm>
#include <cstdint>

#include "autograd/kernels/gemm.h"

namespace attune {

// So much of k is run through at a time that the part of a panel it reads stays in the cache.
constexpr std::int64_t most_of_k = 256;

// c [m, n] = a panels + add, for a k of at most most_of_k.
struct Product {
  std::int64_t m, n, k;
  const float* a;
  std::int64_t lda;   // between its rows or, where it is transposed, its columns
  bool transposed_a;  // its columns lie without gaps, not its rows
  Addend<float> add;
  float* c;
  std::int64_t ldc;
  const float* panels;
  std::int64_t panel_size;  // between panels
  bool fetch_c = false;
  bool fetch_panels = false;
};

void run_product(const Product& product);

// The part that begins at a row and a column.
inline Addend<float> part_of(Addend<float> add, std::int64_t row, std::int64_t column) {
  if (add.data) add.data += row * add.row + column;
  return add;
}

// c = add, for products without a term.
inline void put(std::int64_t m, std::int64_t n, Addend<float> add, float* c, std::int64_t ldc) {
  for (std::int64_t row = 0; row < m; ++row) {
    if (!add.data) {
      std::fill_n(c + row * ldc, n, 0.0F);
    } else if (add.data != c) {
      std::copy_n(add.data + row * add.row, n, c + row * ldc);
    }
  }
}

}  // namespace attune
