#include "autograd/kernels/packed.h"

#include <algorithm>

#include "autograd/allocator.h"
#include "autograd/kernels/panels.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/rounding.h"
#include "autograd/kernels/tiles.h"

namespace attune {
namespace {

// A larger packed matrix is fetched before it is read: from one use to the next it does not stay in
// the second cache, where a step of an RNN reads more than one matrix.
constexpr std::int64_t largest_b_cached = 1 << 17;
// Numbers that are worth a task of their own to pack, and multiplications.
constexpr std::int64_t least_to_pack = 1 << 14;
constexpr std::int64_t least_work_a_thread = 1 << 18;

std::size_t bytes_of(std::int64_t floats) {
  return static_cast<std::size_t>(floats) * sizeof(float);
}

}  // namespace

void PackingBuffer::Free::operator()(float* block) const {
  deallocate(block, bytes_of(count));
}

float* PackingBuffer::floats(std::int64_t count) {
  if (count > block_.get_deleter().count) {
    block_ = {nullptr, Free{0}};
    block_ = {static_cast<float*>(allocate(bytes_of(count))), Free{count}};
  }
  return block_.get();
}

template <>
PackedMatrix<float>::PackedMatrix(std::int64_t k, std::int64_t n, Matrix<float> b)
    : k_(k), n_(n), b_(b) {
  const std::int64_t size = k * panel_columns();
  float* const panels = panels_.floats(panels_of(n) * size);
  const std::int64_t at_once = std::max<std::int64_t>(1, least_to_pack / (size + 1));
  parallel_for(panels_of(n), at_once, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t first = panel_begin(begin, n), last = panel_begin(end, n);
    pack_columns(k, last - first, {b.data + first * b.column, b.row, b.column},
                 panels + begin * size);
  });
  packed_ = panels;
}

template <>
void PackedMatrix<float>::multiply_panels(std::int64_t begin, std::int64_t end, std::int64_t m,
                                          const float* a, std::int64_t lda, Addend<float> add,
                                          float* c, std::int64_t ldc) const {
  const std::int64_t first = panel_begin(begin, n_), last = panel_begin(end, n_);
  if (k_ == 0) return put(m, last - first, part_of(add, 0, first), c + first, ldc);
  const std::int64_t columns = panel_columns(), step = equal_part(k_, most_of_k);
  for (std::int64_t p = 0; p < k_; p += step) {
    run_product({m, last - first, std::min(step, k_ - p), a + p, lda, false,
                 p > 0 ? Addend<float>{c + first, ldc} : part_of(add, 0, first), c + first, ldc,
                 packed_ + (begin * k_ + p) * columns, k_ * columns, false,
                 k_ * n_ > largest_b_cached});
  }
}

template <>
void PackedMatrix<float>::multiply(std::int64_t m, const float* a, std::int64_t lda,
                                   Addend<float> add, float* c, std::int64_t ldc) const {
  multiply_panels(0, panels_of(n_), m, a, lda, add, c, ldc);
}

template <>
void PackedMatrix<float>::multiply_in_parallel(std::int64_t m, const float* a, std::int64_t lda,
                                               Addend<float> add, float* c,
                                               std::int64_t ldc) const {
  const std::int64_t work_of_panel = std::max<std::int64_t>(1, m * k_ * panel_columns());
  const std::int64_t at_once = divide_up(least_work_a_thread, work_of_panel);
  parallel_for(panels_of(n_), at_once, [&](std::int64_t begin, std::int64_t end) {
    multiply_panels(begin, end, m, a, lda, add, c, ldc);
  });
}

template <>
PackedMatrix<double>::PackedMatrix(std::int64_t k, std::int64_t n, Matrix<double> b)
    : k_(k), n_(n), b_(b) {}

template <>
void PackedMatrix<double>::multiply(std::int64_t m, const double* a, std::int64_t lda,
                                    Addend<double> add, double* c, std::int64_t ldc) const {
  gemm<double>(m, n_, k_, {a, lda, 1}, b_, add, c, ldc);
}

}  // namespace attune
