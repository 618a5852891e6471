#pragma once
// Matrix products, by the tiles of packed.h where there is work for several threads, else by
// OpenBLAS. The only header that leads to BLAS.

#include <cstdint>

namespace attune {

// A matrix in memory: element (i, j) lies at data[i * row + j * column], and one of the two strides
// is 1.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t row;
  std::int64_t column;
};

// Whether a matrix of that size and those strides is one that gemm() can read.
bool readable_by_gemm(std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
                      std::int64_t column_stride);

// What is added to a product [m, n]: a matrix whose rows lie `row` apart, which may be the one that
// the sum goes to; one row for all if `row` is 0; nothing if `data` is null.
template <class T>
struct Addend {
  const T* data = nullptr;
  std::int64_t row = 0;
};

// c = a b + add for a [m, k], b [k, n] and a row-major c [m, n] whose rows lie ldc apart. The bits
// of the result do not depend on the number of threads. Subnormal numbers may count as zero
// (subnormals.h).
template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, Addend<T> add,
          T* c, std::int64_t ldc);

// The same in tiles even where BLAS is faster: with the bits of a PackedMatrix (packed.h).
void gemm_in_tiles(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a, Matrix<float> b,
                   Addend<float> add, float* c, std::int64_t ldc);

}  // namespace attune
