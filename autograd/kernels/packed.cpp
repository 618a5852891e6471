// A product is computed in tiles of rows x columns that stay in registers while k runs. Their sizes
// are those that fill the registers of each instruction set.

#include "autograd/kernels/packed.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "autograd/allocator.h"
#include "autograd/kernels/isa.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/rounding.h"
#include "autograd/kernels/subnormals.h"

namespace attune {
namespace {

// So much of k is run through at a time that the part of a panel it reads stays in the cache.
constexpr std::int64_t most_of_k = 256;
// The part of b that is packed at a time and the part of a that it is multiplied by: together they
// fit into the second cache. Multiples of every tile's sizes.
constexpr std::int64_t most_columns = 480;
constexpr std::int64_t most_rows = 96;
// A larger c is fetched before it is written, and a larger packed matrix before it is read: from
// one use to the next they do not stay in the second cache, where a step of an RNN reads more than
// one matrix.
constexpr std::int64_t largest_c_cached = 1 << 18;
constexpr std::int64_t largest_b_cached = 1 << 17;
// How many steps of k before its use a part of a transposed a is fetched.
constexpr std::int64_t ahead = 8;
constexpr std::int64_t numbers_a_line = 16;
// Where __builtin_prefetch() fetches to.
constexpr int to_second_cache = 2;
constexpr int to_first_cache = 3;
// Numbers that are worth a task of their own to pack, and multiplications.
constexpr std::int64_t least_to_pack = 1 << 14;
constexpr std::int64_t least_work_a_thread = 1 << 18;
// The multiplications of a thread that are worth waiting for a block.
constexpr std::int64_t least_work_a_block = 1 << 25;
// What the rows of a unit are a multiple of.
constexpr std::int64_t least_rows = 8;

template <int lanes>
using Vector [[gnu::vector_size(lanes * sizeof(float))]] = float;

// A vector from or to memory of any alignment: one instruction.
template <int lanes>
[[gnu::always_inline]] inline void load(Vector<lanes>& vector, const float* from) {
  std::memcpy(&vector, from, sizeof vector);
}
template <int lanes>
[[gnu::always_inline]] inline void put_down(const Vector<lanes>& vector, float* to) {
  std::memcpy(to, &vector, sizeof vector);
}

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

// The part that begins at a row and a column.
Addend<float> part_of(Addend<float> add, std::int64_t row, std::int64_t column) {
  if (add.data) add.data += row * add.row + column;
  return add;
}

// c [m, n] = a panels + add, for some of k.
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

template <int lanes, int vectors, int rows>
struct ProductLoop {
  static constexpr int columns = lanes * vectors;

  // How many of the `left` columns are the next panel's. The last two share theirs: a tile of one
  // vector runs at half the speed of one of two.
  static std::int64_t next_columns(std::int64_t left) {
    if (left <= columns || left > 2 * columns) return std::min<std::int64_t>(left, columns);
    return round_up((left + 1) / 2, lanes);
  }

  static void run(const Product* x) {
    const float* panel = x->panels;
    std::int64_t width = 0;
    for (std::int64_t first = 0; first < x->n; first += width, panel += x->panel_size) {
      width = next_columns(x->n - first);
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
      const std::int64_t tile = row / rows, tiles = (x.m + rows - 1) / rows;
      const std::int64_t step = std::min<std::int64_t>(numbers_a_line, columns / tiles);
      return {panel + x.panel_size + tile * step * x.k, step};
    }
    if (first > 0) return {panel, 0};
    if (x.transposed_a) return {x.a + row + numbers_a_line, x.lda};
    return {x.a + (row + rows) * x.lda, x.lda, numbers_a_line * (1 - x.lda)};
  }
};
using Avx512Product = ProductLoop<16, 3, 8>;
using Avx2Product = ProductLoop<8, 2, 6>;
using BaselineProduct = ProductLoop<4, 2, 4>;

// Calls f with the product loop of this machine.
template <class F>
decltype(auto) with_loop(const F& f) {
  switch (isa()) {
    case Isa::avx512:
      return f(Avx512Product());
    case Isa::avx2:
      return f(Avx2Product());
    case Isa::baseline:
      break;
  }
  return f(BaselineProduct());
}

std::int64_t tile_columns() {
  return with_loop([](auto loop) { return std::int64_t{loop.columns}; });
}
std::int64_t next_columns(std::int64_t left) {
  return with_loop([&](auto loop) { return loop.next_columns(left); });
}

void run_product(const Product& product) {
  const SubnormalsAreZero while_running;
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

template <int lanes, int width>
struct PackPanel {
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

void pack_panel(const Panel& panel) {
#if defined(__x86_64__)
  switch (isa()) {
    case Isa::avx512:
      return run_avx512<PackPanel<16, Avx512Product::columns>>(&panel);
    case Isa::avx2:
      return run_avx2<PackPanel<8, Avx2Product::columns>>(&panel);
    case Isa::baseline:
      break;
  }
#endif
  PackPanel<4, BaselineProduct::columns>::run(&panel);
}

// b [k, n] in panels of so many columns as one tile has, each [k, columns] without gaps.
void pack_columns(std::int64_t k, std::int64_t n, Matrix<float> b, float* out) {
  const std::int64_t columns = tile_columns();
  std::int64_t width = 0;
  for (std::int64_t first = 0; first < n; first += width, out += k * columns) {
    width = next_columns(n - first);
    pack_panel({out, k, width, {b.data + first * b.column, b.row, b.column}});
  }
}

// The number of panels of n columns, and where one of them begins.
std::int64_t panels_of(std::int64_t n) {
  return (n + tile_columns() - 1) / tile_columns();
}
std::int64_t panel_begin(std::int64_t panel, std::int64_t n) {
  const std::int64_t columns = tile_columns(), last = panels_of(n) - 1;
  if (panel > last) return n;
  if (panel < last || panel == 0) return panel * columns;
  const std::int64_t before = (last - 1) * columns;
  return before + next_columns(n - before);
}

// c = add, for products without a term.
void put(std::int64_t m, std::int64_t n, Addend<float> add, float* c, std::int64_t ldc) {
  for (std::int64_t row = 0; row < m; ++row) {
    if (!add.data) {
      std::fill_n(c + row * ldc, n, 0.0F);
    } else if (add.data != c) {
      std::copy_n(add.data + row * add.row, n, c + row * ldc);
    }
  }
}

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
  const std::int64_t size = k * tile_columns();
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
  const std::int64_t columns = tile_columns(), step = equal_part(k_, most_of_k);
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
  const std::int64_t work_of_panel = std::max<std::int64_t>(1, m * k_ * tile_columns());
  const std::int64_t at_once = (least_work_a_thread + work_of_panel - 1) / work_of_panel;
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

bool better_packed(std::int64_t m, std::int64_t n, std::int64_t k) {
  return isa() == Isa::avx512 && m >= 8 && n >= 24 && m * n * k > 1 << 18;
}

namespace {

// A product by a matrix that is packed block after block. Each thread has rows of its own, which
// stay in its cache; one that is done with them helps with those of others, and then packs the next
// block. No more than two are alive, and no thread waits for all of the others.
class ByBlocks {
 public:
  ByBlocks(const Product& all, Matrix<float> b, std::int64_t threads)
      : all_(all),
        b_(b),
        threads_(threads),
        alive_(threads > 1 ? 2 : 1),
        rows_(round_up(equal_part((all.m + threads - 1) / threads, most_rows), least_rows)),
        step_(equal_part(all.k, most_of_k)),
        wide_((all.n + most_columns - 1) / most_columns),
        blocks_((all.k + step_ - 1) / step_ * wide_),
        multiplied_(static_cast<std::size_t>((all.m + rows_ - 1) / rows_)),
        counters_(static_cast<std::size_t>(blocks_ * (2 + threads))) {
    thread_local PackingBuffer buffer;
    room_ = buffer.floats(alive_ * room_of_block());
  }

  // The part of a thread.
  void work(std::int64_t thread) {
    for (std::int64_t i = 0; i < blocks_; ++i) {
      for (std::int64_t part; (part = take(packings_begun(i))) < packings;) pack(i, part);
      for (std::int64_t other = 0; other < threads_; ++other) {
        const std::int64_t owner = (thread + other) % threads_;
        const std::int64_t begin = owner * units_a_thread(),
                           end = std::min(begin + units_a_thread(), units());
        for (std::int64_t unit; (unit = begin + take(units_begun(i, owner))) < end;)
          multiply(i, unit);
      }
    }
  }

 private:
  using Counter = std::atomic<std::int64_t>;
  static constexpr std::int64_t packings = 8;  // that a block is cut into

  struct Block {
    std::int64_t p, depth, column, width;
    float* panels;
  };

  Counter& counter(std::int64_t block, std::int64_t which) {
    return counters_[static_cast<std::size_t>(block * (2 + threads_) + which)];
  }
  Counter& packings_begun(std::int64_t block) { return counter(block, 0); }
  Counter& packings_done(std::int64_t block) { return counter(block, 1); }
  Counter& units_begun(std::int64_t block, std::int64_t owner) { return counter(block, 2 + owner); }
  static std::int64_t take(Counter& counter) {
    return counter.fetch_add(1, std::memory_order_relaxed);
  }

  // Units of rows.
  std::int64_t units() const { return static_cast<std::int64_t>(multiplied_.size()); }
  std::int64_t units_a_thread() const { return (units() + threads_ - 1) / threads_; }
  std::int64_t room_of_block() const {
    return step_ * round_up(std::min(all_.n, most_columns), tile_columns());
  }
  Block block(std::int64_t i) const {
    const std::int64_t p = i / wide_ * step_, column = i % wide_ * most_columns;
    return {p, std::min(step_, all_.k - p), column, std::min(most_columns, all_.n - column),
            room_ + i % alive_ * room_of_block()};
  }

  // What is waited for was begun by a thread that is at work.
  static void wait_for(const Counter& counter, std::int64_t count) {
    while (counter.load(std::memory_order_acquire) < count) std::this_thread::yield();
  }

  void pack(std::int64_t i, std::int64_t part) {
    // Another block was in the same place.
    for (const Counter& blocks_done : multiplied_) wait_for(blocks_done, i - alive_ + 1);
    const Block at = block(i);
    const std::int64_t panels = panels_of(at.width);
    const std::int64_t begin = part * panels / packings, end = (part + 1) * panels / packings;
    const std::int64_t first = panel_begin(begin, at.width), last = panel_begin(end, at.width);
    pack_columns(at.depth, last - first,
                 {b_.data + at.p * b_.row + (at.column + first) * b_.column, b_.row, b_.column},
                 at.panels + begin * at.depth * tile_columns());
    packings_done(i).fetch_add(1, std::memory_order_release);
  }

  void multiply(std::int64_t i, std::int64_t unit) {
    const Block at = block(i);
    const std::int64_t row = unit * rows_;
    Counter& blocks_done = multiplied_[static_cast<std::size_t>(unit)];
    wait_for(packings_done(i), packings);
    wait_for(blocks_done, i);  // which may have set what this adds to
    const Addend<float> before = at.p > 0 ? Addend<float>{all_.c, all_.ldc} : all_.add;
    Product product = all_;
    product.m = std::min(rows_, all_.m - row);
    product.n = at.width;
    product.k = at.depth;
    product.a += all_.transposed_a ? row + at.p * all_.lda : row * all_.lda + at.p;
    product.add = part_of(before, row, at.column);
    product.c += row * all_.ldc + at.column;
    product.panels = at.panels;
    product.panel_size = at.depth * tile_columns();
    run_product(product);
    blocks_done.store(i + 1, std::memory_order_release);
  }

  const Product all_;
  const Matrix<float> b_;
  const std::int64_t threads_;
  const std::int64_t alive_;  // blocks that may be packed at a time
  const std::int64_t rows_;   // of a unit
  const std::int64_t step_;   // the k of a block
  const std::int64_t wide_;   // blocks side by side
  const std::int64_t blocks_;
  std::vector<Counter> multiplied_;  // of each unit, the blocks that it is done with
  std::vector<Counter> counters_;
  float* room_ = nullptr;
};

Product product_of(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a,
                   Addend<float> add, float* c, std::int64_t ldc) {
  const bool transposed_a = a.column != 1 && k > 1;
  return {m, n,   k,       a.data, transposed_a ? a.column : a.row, transposed_a, add,
          c, ldc, nullptr, 0,      m * n > largest_c_cached};
}

void multiply_by_blocks(const Product& all, Matrix<float> b, std::int64_t threads) {
  if (all.m == 0 || all.n == 0) return;
  if (all.k == 0) return put(all.m, all.n, all.add, all.c, all.ldc);
  ByBlocks product(all, b, threads);
  parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t thread = begin; thread < end; ++thread) product.work(thread);
  });
}

}  // namespace

bool worth_sharing(std::int64_t m, std::int64_t n, std::int64_t k) {
  const std::int64_t threads = num_threads();
  return threads > 1 &&
         m * std::min(n, most_columns) * equal_part(k, most_of_k) / threads >= least_work_a_block;
}

void packed_gemm(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a, Matrix<float> b,
                 Addend<float> add, float* c, std::int64_t ldc) {
  multiply_by_blocks(product_of(m, n, k, a, add, c, ldc), b, 1);
}

void packed_gemm_in_parallel(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<float> a,
                             Matrix<float> b, Addend<float> add, float* c, std::int64_t ldc) {
  multiply_by_blocks(product_of(m, n, k, a, add, c, ldc), b, num_threads());
}

}  // namespace attune
