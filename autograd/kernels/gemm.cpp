#include "autograd/kernels/gemm.h"

#include <cblas.h>

#include <algorithm>

#include "autograd/kernels/packed_gemm.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/rounding.h"
#include "autograd/kernels/subnormals.h"

namespace attune {
namespace {

// Products of fewer multiplications than this are not worth a second thread.
constexpr std::int64_t least_work = 1 << 18;
// Products are cut at multiples of this, lest a vector be cut.
constexpr std::int64_t cut_at = 16;
// Packed products of fewer rows than columns are cut into pieces of at most so many columns, for
// whichever thread is free. Others are shared out by rows (packed_gemm.h).
constexpr std::int64_t most_packed_columns = 960;
// BLAS adds up in an order that depends on the sizes of what it is given, on its version and on the
// processor: its pieces are the same for any number of threads. Each packs its operands anew, which
// is little beside the multiplications if a piece is so long.
constexpr std::int64_t most_pieces_of_blas = 8;
constexpr std::int64_t least_piece_of_blas = 64;

// attune runs threads of its own above single-threaded BLAS calls: two pools would fight for the
// cores, and a result would depend on how many there are.
void keep_blas_single_threaded() {
  static const bool done = [] {
    openblas_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

// How BLAS is to read a matrix: as it lies or transposed, and how far apart its rows then lie. A
// dimension of size 1 may have any stride.
struct Layout {
  CBLAS_TRANSPOSE transposed;
  blasint leading;
};

bool is_row_major(std::int64_t rows, std::int64_t columns, std::int64_t row, std::int64_t column) {
  return (column == 1 || columns == 1) && (rows == 1 || row >= columns) && row >= 0;
}

template <class T>
Layout layout(std::int64_t rows, std::int64_t columns, const Matrix<T>& x) {
  if (is_row_major(rows, columns, x.row, x.column)) {
    return {CblasNoTrans, static_cast<blasint>(std::max(x.row, columns))};
  }
  return {CblasTrans, static_cast<blasint>(std::max(x.column, rows))};
}

// The product of one row with a matrix reads the matrix once; a general product would first pack
// it.
template <class T>
void gemv(std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, T beta, T* c) {
  const Layout of_b = layout(k, n, b);
  const bool as_it_lies = of_b.transposed == CblasNoTrans;
  const auto call = [&](auto* cblas_gemv) {
    cblas_gemv(CblasRowMajor, as_it_lies ? CblasTrans : CblasNoTrans,
               static_cast<blasint>(as_it_lies ? k : n), static_cast<blasint>(as_it_lies ? n : k),
               T{1}, b.data, of_b.leading, a.data, static_cast<blasint>(a.column), beta, c, 1);
  };
  if constexpr (sizeof(T) == sizeof(float)) {
    call(cblas_sgemv);
  } else {
    call(cblas_dgemv);
  }
}

// Sets c to what is added to the product, unless it is there already, and returns what BLAS is to
// multiply c by.
template <class T>
T put_addend(std::int64_t m, std::int64_t n, Addend<T> add, T* c, std::int64_t ldc) {
  if (!add.data) return 0;
  for (std::int64_t i = 0; add.data != c && i < m; ++i) {
    std::copy_n(add.data + i * add.row, n, c + i * ldc);
  }
  return 1;
}

template <class T>
void gemm_piece(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b,
                Addend<T> add, T* c, std::int64_t ldc, [[maybe_unused]] bool packed) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (packed) return packed_gemm(m, n, k, a, b, add, c, ldc);
  }
  const SubnormalsAreZero while_running;
  const T beta = put_addend(m, n, add, c, ldc);
  if (m == 1 && a.column > 0) return gemv(n, k, a, b, beta, c);
  const Layout of_a = layout(m, k, a);
  const Layout of_b = layout(k, n, b);
  const auto call = [&](auto* cblas_gemm) {
    cblas_gemm(CblasRowMajor, of_a.transposed, of_b.transposed, static_cast<blasint>(m),
               static_cast<blasint>(n), static_cast<blasint>(k), T{1}, a.data, of_a.leading, b.data,
               of_b.leading, beta, c, static_cast<blasint>(ldc));
  };
  if constexpr (sizeof(T) == sizeof(float)) {
    call(cblas_sgemm);
  } else {
    call(cblas_dgemm);
  }
}

// Into how many pieces a product is cut along a side of c. Tiles compute an element in the same
// bits wherever the cuts are.
std::int64_t pieces_of(std::int64_t m, std::int64_t n, std::int64_t k, bool packed) {
  const std::int64_t side = std::max(m, n), work = m * n * k / least_work;
  std::int64_t pieces = std::min({most_pieces_of_blas, work, side / least_piece_of_blas});
  if (packed) {
    const std::int64_t threads = num_threads();
    const std::int64_t wanted =
        m >= n || threads == 1 ? threads : round_up(divide_up(n, most_packed_columns), threads);
    pieces = std::min({wanted, work, side / cut_at});
  }
  return std::max<std::int64_t>(1, pieces);
}

// Cuts a product along the longer side of c.
template <class T>
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b,
              Addend<T> add, T* c, std::int64_t ldc, bool packed) {
  const bool by_rows = m >= n;
  const std::int64_t side = by_rows ? m : n;
  const std::int64_t pieces = pieces_of(m, n, k, packed);
  if constexpr (sizeof(T) == sizeof(float)) {
    if (packed && by_rows && pieces > 1) {
      return packed_gemm_in_parallel(m, n, k, a, b, add, c, ldc);
    }
  }
  const auto cut = [=](std::int64_t i) {
    return i == pieces ? side : side * i / pieces / cut_at * cut_at;
  };
  const auto of_piece = [&](std::int64_t row, std::int64_t column) {
    return add.data ? Addend<T>{add.data + row * add.row + column, add.row} : add;
  };
  parallel_for(pieces, 1, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t begin = cut(first), end = cut(last);
    if (by_rows) {
      gemm_piece<T>(end - begin, n, k, {a.data + begin * a.row, a.row, a.column}, b,
                    of_piece(begin, 0), c + begin * ldc, ldc, packed);
    } else {
      gemm_piece<T>(m, end - begin, k, a, {b.data + begin * b.column, b.row, b.column},
                    of_piece(0, begin), c + begin, ldc, packed);
    }
  });
}

}  // namespace

bool readable_by_gemm(std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
                      std::int64_t column_stride) {
  return is_row_major(rows, columns, row_stride, column_stride) ||
         is_row_major(columns, rows, column_stride, row_stride);
}

template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, Addend<T> add,
          T* c, std::int64_t ldc) {
  if (m == 0 || n == 0) return;
  keep_blas_single_threaded();
  if (k == 0) {
    if (put_addend(m, n, add, c, ldc) != 0) return;
    for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, T{0});
    return;
  }
  multiply(m, n, k, a, b, add, c, ldc, sizeof(T) == sizeof(float) && better_packed(m, n, k));
}

void gemm_in_tiles(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a, Matrix<float> b,
                   Addend<float> add, float* c, std::int64_t ldc) {
  multiply(m, n, k, a, b, add, c, ldc, true);
}

template void gemm(std::int64_t, std::int64_t, std::int64_t, Matrix<float>, Matrix<float>,
                   Addend<float>, float*, std::int64_t);
template void gemm(std::int64_t, std::int64_t, std::int64_t, Matrix<double>, Matrix<double>,
                   Addend<double>, double*, std::int64_t);

}  // namespace attune
