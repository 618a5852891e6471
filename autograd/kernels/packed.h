#pragma once
// Matrix products of float32 in tiles that stay in registers, with the right operand packed in the
// order in which the tiles read it (Goto & van de Geijn 2008). A matrix that is multiplied by often
// is packed once; BLAS packs its operands at every call.

#include <cstdint>
#include <memory>

#include "autograd/kernels/gemm.h"

namespace attune {

// Memory for packed numbers, from the allocator: vectors that lie across cache lines take twice as
// long to load, and panels that lie in pages of 4 KiB cost a look for an address every few rows.
class PackingBuffer {
 public:
  // At least so many floats; what it held before may be lost.
  float* floats(std::int64_t count);

 private:
  struct Free {
    std::int64_t count;
    void operator()(float* block) const;
  };
  std::unique_ptr<float, Free> block_{nullptr, Free{0}};
};

template <class T>
class PackedMatrix {
 public:
  // b [k, n], which must outlive this: float64 is not packed.
  PackedMatrix(std::int64_t k, std::int64_t n, Matrix<T> b);

  // c = a b + add for a row-major a [m, k] with rows lda apart, and likewise c [m, n]. On the
  // thread that calls; what comes out for a row does not depend on the other rows.
  void multiply(std::int64_t m, const T* a, std::int64_t lda, Addend<T> add, T* c,
                std::int64_t ldc) const;
  // The same on all threads, each with some of the columns.
  void multiply_in_parallel(std::int64_t m, const T* a, std::int64_t lda, Addend<T> add, T* c,
                            std::int64_t ldc) const;

 private:
  // The columns of the panels from `begin` to `end`.
  void multiply_panels(std::int64_t begin, std::int64_t end, std::int64_t m, const T* a,
                       std::int64_t lda, Addend<T> add, T* c, std::int64_t ldc) const;

  std::int64_t k_, n_;
  Matrix<T> b_;
  PackingBuffer panels_;
  const float* packed_ = nullptr;
};

}  // namespace attune
