#include "autograd/kernels/panels.h"

#include <algorithm>
#include <utility>

#include "autograd/kernels/rounding.h"
#include "autograd/kernels/vectors.h"

namespace attune {
namespace {

// Exchanges, of two rows of a square of lanes x lanes numbers, what stands on the wrong side of
// every block of 2 `distance`.
template <int lanes, int distance, int... lane>
[[gnu::always_inline]] inline void exchange(Vector<lanes>& upper, Vector<lanes>& lower,
                                            std::integer_sequence<int, lane...>) {
  const Vector<lanes> x = upper, y = lower;
  upper = __builtin_shufflevector(x, y, ((lane & distance) ? lanes + lane - distance : lane)...);
  lower = __builtin_shufflevector(x, y, ((lane & distance) ? lanes + lane : lane + distance)...);
}

template <int lanes, int distance>
[[gnu::always_inline]] inline void transpose_square(Vector<lanes>* rows) {
  if constexpr (distance > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if ((i & distance) == 0) {
        exchange<lanes, distance>(rows[i], rows[i + distance],
                                  std::make_integer_sequence<int, lanes>());
      }
    }
    transpose_square<lanes, distance / 2>(rows);
  }
}

// One panel [k, width] of b, of whose columns `real` exist. The others become zero where they
// share a vector with these; no tile reads the rest.
struct Panel {
  float* out;
  std::int64_t k, real;
  Matrix<float> b;
};

template <class Size>
struct PackPanel {
  static constexpr int lanes = Size::lanes, width = Size::columns;

  static void run(const Panel* x) {
    const std::int64_t whole = x->real / lanes * lanes;
    if (x->b.column == 1) {
      copy_vectors(*x, whole);
    } else if (x->b.row == 1) {
      for (std::int64_t j = 0; j < whole; j += lanes) pack_transposed(*x, j);
    } else {
      return copy_each(*x, 0);
    }
    if (whole < x->real) copy_each(*x, whole);
  }

  static void copy_vectors(const Panel& x, std::int64_t whole) {
    for (std::int64_t p = 0; p < x.k; ++p) {
      for (std::int64_t j = 0; j < whole; j += lanes) {
        Vector<lanes> vector;
        load<lanes>(vector, x.b.data + p * x.b.row + j);
        put_down<lanes>(vector, x.out + p * width + j);
      }
    }
  }

  // The columns from `first` on, one number at a time.
  static void copy_each(const Panel& x, std::int64_t first) {
    const std::int64_t read = round_up(x.real, lanes);
    for (std::int64_t p = 0; p < x.k; ++p) {
      const float* const row = x.b.data + p * x.b.row;
      float* const out = x.out + p * width;
      for (std::int64_t j = first; j < x.real; ++j) out[j] = row[j * x.b.column];
      std::fill(out + x.real, out + read, 0.0F);
    }
  }

  // `lanes` columns, which lie along k.
  static void pack_transposed(const Panel& x, std::int64_t first) {
    using V = Vector<lanes>;
    const float* const columns = x.b.data + first * x.b.column;
    std::int64_t p = 0;
    for (; p + lanes <= x.k; p += lanes) {
      V rows[std::size_t{lanes}];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        load<lanes>(rows[i], columns + i * x.b.column + p);
      }
      transpose_square<lanes, lanes / 2>(rows);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        put_down<lanes>(rows[i], x.out + (p + i) * width + first);
      }
    }
    for (; p < x.k; ++p) {
      for (int i = 0; i < lanes; ++i) {
        x.out[p * width + first + i] = columns[i * x.b.column + p];
      }
    }
  }
};

// Calls f with the tile of this machine.
template <class F>
std::int64_t of_tile(const F& f) {
  switch (isa()) {
    case Isa::avx512:
      return f(Avx512Tile());
    case Isa::avx2:
      return f(Avx2Tile());
    case Isa::baseline:
      break;
  }
  return f(BaselineTile());
}

std::int64_t next_columns(std::int64_t left) {
  return of_tile([&]<class Size>(Size) { return next_columns_of<Size>(left); });
}

}  // namespace

std::int64_t panel_columns() {
  return of_tile([]<class Size>(Size) { return Size::columns; });
}

std::int64_t panels_of(std::int64_t n) {
  return divide_up(n, panel_columns());
}

std::int64_t panel_begin(std::int64_t panel, std::int64_t n) {
  const std::int64_t columns = panel_columns(), last = panels_of(n) - 1;
  if (panel > last) return n;
  if (panel < last || panel == 0) return panel * columns;
  const std::int64_t before = (last - 1) * columns;
  return before + next_columns(n - before);
}

void pack_columns(std::int64_t k, std::int64_t n, Matrix<float> b, float* out) {
  const std::int64_t columns = panel_columns();
  std::int64_t width = 0;
  for (std::int64_t first = 0; first < n; first += width, out += k * columns) {
    width = next_columns(n - first);
    const Panel panel{out, k, width, {b.data + first * b.column, b.row, b.column}};
    run_by_tile<PackPanel>(&panel);
  }
}

}  // namespace attune
