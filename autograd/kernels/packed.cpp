// The product is computed in tiles of rows x columns that stay in registers while k runs (Goto &
// van de Geijn 2008, the inner kernel). Their sizes are those that fill the registers of each
// instruction set.

#include "autograd/kernels/packed.h"

#include <algorithm>
#include <cstring>

#include "autograd/kernels/isa.h"

namespace attune {
namespace {

// So much of k is run through at a time that the part of a panel it reads stays in the cache.
constexpr std::int64_t k_block = 512;

template <int lanes>
using Vector [[gnu::vector_size(lanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;

struct Tile {
  const float* a;
  std::int64_t lda;
  const float* panel;
  std::int64_t k;
  bool add;  // to what is in c
  float* c;
  std::int64_t ldc;
  std::int64_t columns;  // of the panel that lie within c
};

// `rows` rows of one panel of `vectors` vectors.
template <int lanes, int vectors, int rows>
[[gnu::always_inline]] inline void run_tile(const Tile& tile) {
  using V = Vector<lanes>;
  constexpr int width = lanes * vectors;
  V sums[std::size_t{rows}][std::size_t{vectors}] = {};
  const float* panel = tile.panel;
  for (std::int64_t p = 0; p < tile.k; ++p, panel += width) {
    V b[std::size_t{vectors}];
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) b[j] = *reinterpret_cast<const V*>(panel + j * lanes);
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const float a = tile.a[i * tile.lda + p];
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j) sums[i][j] += a * b[j];
    }
  }
  float edge[std::size_t{width}];
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    float* const c = tile.c + i * tile.ldc;
    const bool whole = tile.columns == width;
    float* const out = whole ? c : edge;
    if (!whole) std::copy_n(c, tile.columns, edge);
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) {
      V* const to = reinterpret_cast<V*>(out + j * lanes);
      *to = tile.add ? *to + sums[i][j] : sums[i][j];
    }
    if (!whole) std::copy_n(edge, tile.columns, c);
  }
}

// A tile of fewer rows than fill the registers.
template <int lanes, int vectors, int rows>
[[gnu::always_inline]] inline void run_rest(const Tile& tile, std::int64_t m) {
  if constexpr (rows > 0) {
    if (m == rows) return run_tile<lanes, vectors, rows>(tile);
    run_rest<lanes, vectors, rows - 1>(tile, m);
  }
}

template <int lanes, int vectors, int rows>
[[gnu::always_inline]] inline void run_product(std::int64_t m, std::int64_t n, std::int64_t k,
                                               const float* a, std::int64_t lda, bool add, float* c,
                                               std::int64_t ldc, const float* panels) {
  constexpr int width = lanes * vectors;
  for (std::int64_t first = 0; first < n; first += width) {
    const float* const panel = panels + first * k;
    for (std::int64_t p = 0; p < k; p += k_block) {
      Tile tile{a + p,
                lda,
                panel + p * width,
                std::min(k_block, k - p),
                add || p > 0,
                c + first,
                ldc,
                std::min<std::int64_t>(width, n - first)};
      std::int64_t row = 0;
      for (; row + rows <= m; row += rows) {
        run_tile<lanes, vectors, rows>(tile);
        tile.a += rows * lda;
        tile.c += rows * ldc;
      }
      run_rest<lanes, vectors, rows - 1>(tile, m - row);
    }
  }
}

// What multiply() needs, in one argument.
struct Product {
  std::int64_t m, n, k;
  const float* a;
  std::int64_t lda;
  bool add;
  float* c;
  std::int64_t ldc;
  const float* panels;
};

template <int lanes, int vectors, int rows>
struct ProductLoop {
  static constexpr int columns = lanes * vectors;
  static void run(const Product* x) {
    run_product<lanes, vectors, rows>(x->m, x->n, x->k, x->a, x->lda, x->add, x->c, x->ldc,
                                      x->panels);
  }
};
using Avx512Product = ProductLoop<16, 3, 8>;
using Avx2Product = ProductLoop<8, 2, 6>;
using BaselineProduct = ProductLoop<4, 2, 4>;

std::int64_t tile_columns() {
  switch (isa()) {
    case Isa::avx512:
      return Avx512Product::columns;
    case Isa::avx2:
      return Avx2Product::columns;
    case Isa::baseline:
      break;
  }
  return BaselineProduct::columns;
}

}  // namespace

template <>
PackedMatrix<float>::PackedMatrix(std::int64_t k, std::int64_t n, Matrix<float> b)
    : k_(k), n_(n), b_(b), columns_(tile_columns()) {
  const std::int64_t panels = (n + columns_ - 1) / columns_;
  panels_.resize(static_cast<std::size_t>(panels * columns_ * k));
  for (std::int64_t first = 0; first < n; first += columns_) {
    float* panel = panels_.data() + first * k;
    const std::int64_t columns = std::min(columns_, n - first);
    for (std::int64_t p = 0; p < k; ++p, panel += columns_) {
      const float* const row = b.data + p * b.row + first * b.column;
      for (std::int64_t j = 0; j < columns; ++j) panel[j] = row[j * b.column];
    }
  }
}

template <>
void PackedMatrix<float>::multiply(std::int64_t m, const float* a, std::int64_t lda, float beta,
                                   float* c, std::int64_t ldc) const {
  const Product product{m, n_, k_, a, lda, beta != 0, c, ldc, panels_.data()};
  if (k_ == 0 && beta == 0) {
    for (std::int64_t row = 0; row < m; ++row) std::fill_n(c + row * ldc, n_, 0.0F);
    return;
  }
#if defined(__x86_64__)
  switch (isa()) {
    case Isa::avx512:
      return run_avx512<Avx512Product>(&product);
    case Isa::avx2:
      return run_avx2<Avx2Product>(&product);
    case Isa::baseline:
      break;
  }
#endif
  BaselineProduct::run(&product);
}

template <>
PackedMatrix<double>::PackedMatrix(std::int64_t k, std::int64_t n, Matrix<double> b)
    : k_(k), n_(n), b_(b) {}

template <>
void PackedMatrix<double>::multiply(std::int64_t m, const double* a, std::int64_t lda, double beta,
                                    double* c, std::int64_t ldc) const {
  gemm<double>(m, n_, k_, {a, lda, 1}, b_, beta, c, ldc);
}

}  // namespace attune
