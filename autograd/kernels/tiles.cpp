#include "autograd/kernels/tiles.h"

#include <algorithm>

#include "autograd/kernels/panels.h"
#include "autograd/kernels/rounding.h"
#include "autograd/kernels/subnormals.h"
#include "autograd/kernels/vectors.h"

namespace attune {
namespace {

// How many steps of k before its use a part of a transposed a is fetched.
constexpr std::int64_t ahead = 8;
constexpr std::int64_t numbers_a_line = 16;
// Where __builtin_prefetch() fetches to.
constexpr int to_second_cache = 2;
constexpr int to_first_cache = 3;

// What a tile fetches while it runs, a cache line at each step of k: memory that the processor does
// not foresee to be needed. The next line is `step` on, and after every numbers_a_line of them
// `turn` farther still.
struct Lines {
  const float* line;
  std::int64_t step;
  std::int64_t turn = 0;
};

struct Tile {
  const float* a;
  std::int64_t lda;    // between the rows of a or, where it is transposed, its columns
  const float* panel;  // [k, columns of a panel]
  std::int64_t k;
  Addend<float> add;
  float* c;
  std::int64_t ldc;
  std::int64_t rows, columns;  // that lie within c
  bool fetch_c;
  Lines soon;   // to the first cache, where a is transposed
  Lines later;  // to the second
};

// Sets a row of c to `vectors` vectors of sums, to which `add` is added if it is not null.
template <int lanes, int vectors>
[[gnu::always_inline]] inline void store(const Vector<lanes>* sums, const float* add, float* c) {
#pragma GCC unroll 4
  for (int j = 0; j < vectors; ++j) {
    Vector<lanes> sum = {};
    if (add) load<lanes>(sum, add + j * lanes);
    sum += sums[j];
    put_down<lanes>(sum, c + j * lanes);
  }
}

// Fetches the part of c that a tile sets, while the tile is summed up.
template <int lanes, int vectors, int rows>
[[gnu::always_inline]] inline void fetch_c(const Tile& tile) {
  for (std::int64_t i = 0; i < std::min<std::int64_t>(rows, tile.rows); ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) __builtin_prefetch(tile.c + i * tile.ldc + j * lanes, 1);
  }
}

// `rows` rows of the first `vectors` of the vectors of a panel.
template <int lanes, int width, int vectors, int rows, bool transposed_a>
[[gnu::always_inline]] inline void run_tile(const Tile& tile) {
  using V = Vector<lanes>;
  if (tile.fetch_c) fetch_c<lanes, vectors, rows>(tile);
  V sums[std::size_t{rows}][std::size_t{vectors}] = {};
  const float* panel = tile.panel;
  // Counting rows from two of them leaves registers for the addresses of all.
  constexpr int half = transposed_a ? rows : (rows + 1) / 2;
  const float *a = tile.a, *lower = tile.a + half * tile.lda;
  Lines soon = tile.soon, later = tile.later;
  for (std::int64_t left = tile.k; left > 0; left -= numbers_a_line, later.line += later.turn) {
#pragma GCC unroll 2
    for (std::int64_t p = std::min(left, numbers_a_line); p > 0; --p) {
      V b[std::size_t{vectors}];
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j) load<lanes>(b[j], panel + j * lanes);
      if constexpr (transposed_a) {
        __builtin_prefetch(soon.line, 0, to_first_cache);
        soon.line += soon.step;
      }
      __builtin_prefetch(later.line, 0, to_second_cache);
      later.line += later.step;
#pragma GCC unroll 8
      for (int i = 0; i < rows; ++i) {
        const float x = transposed_a ? a[i]
                        : i < half   ? a[i * tile.lda]
                                     : lower[(i - half) * tile.lda];
#pragma GCC unroll 4
        for (int j = 0; j < vectors; ++j) sums[i][j] += x * b[j];
      }
      panel += width;
      a += transposed_a ? tile.lda : 1;
      ++lower;
    }
  }
  const bool whole = tile.columns == vectors * lanes;
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
    if (i >= tile.rows) break;
    float* const c = tile.c + i * tile.ldc;
    const float* const add = tile.add.data ? tile.add.data + i * tile.add.row : nullptr;
    if (whole) {
      store<lanes, vectors>(sums[i], add, c);
      continue;
    }
    float edge[std::size_t{vectors * lanes}] = {};
    if (add) std::copy_n(add, tile.columns, edge);
    store<lanes, vectors>(sums[i], add ? edge : nullptr, edge);
    std::copy_n(edge, tile.columns, c);
  }
}

// A tile of fewer rows than fill the registers.
template <int lanes, int width, int vectors, int rows>
[[gnu::always_inline]] inline void run_rest(const Tile& tile) {
  if constexpr (rows > 0) {
    if (tile.rows == rows) return run_tile<lanes, width, vectors, rows, false>(tile);
    run_rest<lanes, width, vectors, rows - 1>(tile);
  }
}

// A tile of so few columns that not all vectors of the panel are needed.
template <int lanes, int width, int vectors, int rows, bool transposed_a>
[[gnu::always_inline]] inline void run_columns(const Tile& tile) {
  if constexpr (vectors > 1) {
    if (tile.columns <= (vectors - 1) * lanes) {
      return run_columns<lanes, width, vectors - 1, rows, transposed_a>(tile);
    }
  }
  run_tile<lanes, width, vectors, rows, transposed_a>(tile);
}

// Lets a tile of a transposed a that has fewer rows than are read at once read zeros for the
// others.
template <int rows>
void copy_rest(Tile& tile, float* to) {
  std::fill_n(to, tile.k * rows, 0.0F);
  for (std::int64_t p = 0; p < tile.k; ++p) {
    std::copy_n(tile.a + p * tile.lda, tile.rows, to + p * rows);
  }
  tile.a = to;
  tile.lda = rows;
}

template <class Size>
struct ProductLoop {
  static constexpr int lanes = Size::lanes, vectors = Size::vectors, rows = Size::rows;
  static constexpr int columns = Size::columns;

  static void run(const Product* x) {
    const float* panel = x->panels;
    std::int64_t width = 0;
    for (std::int64_t first = 0; first < x->n; first += width, panel += x->panel_size) {
      width = next_columns_of<Size>(x->n - first);
      for (std::int64_t row = 0; row < x->m; row += rows) {
        Tile tile{x->a + row * (x->transposed_a ? 1 : x->lda),
                  x->lda,
                  panel,
                  x->k,
                  part_of(x->add, row, first),
                  x->c + row * x->ldc + first,
                  x->ldc,
                  std::min<std::int64_t>(rows, x->m - row),
                  width,
                  x->fetch_c,
                  {x->a + row + ahead * x->lda, x->lda},
                  later(*x, panel, first, row)};
        const bool whole = tile.rows == rows;
        if (x->transposed_a) {
          float copy[std::size_t{most_of_k * rows}];
          if (!whole) copy_rest<rows>(tile, copy);
          run_columns<lanes, columns, vectors, rows, true>(tile);
        } else if (whole) {
          run_columns<lanes, columns, vectors, rows, false>(tile);
        } else {
          run_rest<lanes, columns, vectors, rows - 1>(tile);
        }
      }
    }
  }

  // Each of the tiles that read a panel of a large matrix fetches its share of the next one. Else
  // the first panel's tiles bring a into the cache: each fetches the rows after its own, or the
  // lines after its own where a is transposed.
  static Lines later(const Product& x, const float* panel, std::int64_t first, std::int64_t row) {
    if (x.fetch_panels && first + columns < x.n) {
      const std::int64_t tile = row / rows, tiles = divide_up(x.m, rows);
      const std::int64_t step = std::min<std::int64_t>(numbers_a_line, columns / tiles);
      return {panel + x.panel_size + tile * step * x.k, step};
    }
    if (first > 0) return {panel, 0};
    if (x.transposed_a) return {x.a + row + numbers_a_line, x.lda};
    return {x.a + (row + rows) * x.lda, x.lda, numbers_a_line * (1 - x.lda)};
  }
};

}  // namespace

void run_product(const Product& product) {
  const SubnormalsAreZero while_running;
  run_by_tile<ProductLoop>(&product);
}

}  // namespace attune
