#pragma once
// A matrix that is multiplied by often, from the right and by few rows at a time, as the weights of
// a recurrent layer are: packed once, in the order in which the product reads it. BLAS packs its
// operands at every call, which costs as much as so small a product itself.

#include <cstdint>
#include <vector>

#include "autograd/kernels/gemm.h"

namespace attune {

template <class T>
class PackedMatrix {
 public:
  // b [k, n], which must outlive this: float64 is not packed.
  PackedMatrix(std::int64_t k, std::int64_t n, Matrix<T> b);

  // c = a b + beta c for a row-major a [m, k] with rows lda apart, and likewise c [m, n]; beta is 0
  // or
  // 1. On the thread that calls; what comes out for a row does not depend on the other rows.
  void multiply(std::int64_t m, const T* a, std::int64_t lda, T beta, T* c, std::int64_t ldc) const;

 private:
  std::int64_t k_, n_;
  Matrix<T> b_;
  // Panels of so many columns as one tile of the product has, each [k, columns] without gaps;
  // columns past the last are zero.
  std::int64_t columns_ = 0;
  std::vector<T> panels_;
};

}  // namespace attune
