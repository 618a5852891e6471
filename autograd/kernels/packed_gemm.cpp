#include "autograd/kernels/packed_gemm.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "autograd/kernels/packed.h"
#include "autograd/kernels/panels.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/rounding.h"
#include "autograd/kernels/tiles.h"

namespace attune {
namespace {

// The part of b that is packed at a time and the part of a that it is multiplied by: together they
// fit into the second cache. Multiples of every tile's sizes. Of a small product threads take fewer
// rows at a time, so that none waits long for the last of them.
constexpr std::int64_t most_columns = 480;
constexpr std::int64_t most_rows = 96;
constexpr std::int64_t most_rows_if_small = 32;
// What the rows of a unit are a multiple of.
constexpr std::int64_t least_rows = 8;
// A larger c is fetched before it is written: it does not stay in the second cache.
constexpr std::int64_t largest_c_cached = 1 << 18;
// The multiplications of a thread that are worth waiting for a block that others pack.
constexpr std::int64_t least_work_a_block = 1 << 24;

// A product by a matrix that is packed block after block. Each thread has rows of its own, which
// stay in its cache; one that is done with them helps with those of others. It packs all blocks for
// itself if they are small, for what another has packed is far away. Of large ones threads pack a
// part each; no more than two are alive, and no thread waits for all of the others.
class ByBlocks {
 public:
  ByBlocks(const Product& all, Matrix<float> b, std::int64_t threads)
      : all_(all),
        b_(b),
        threads_(threads),
        step_(equal_part(all.k, most_of_k)),
        shared_(threads > 1 &&
                all.m * std::min(all.n, most_columns) * step_ / threads >= least_work_a_block),
        rows_(round_up(equal_part(divide_up(all.m, threads),
                                  threads == 1 || shared_ ? most_rows : most_rows_if_small),
                       least_rows)),
        wide_(divide_up(all.n, most_columns)),
        blocks_(divide_up(all.k, step_) * wide_),
        multiplied_(static_cast<std::size_t>(divide_up(all.m, rows_))),
        counters_(static_cast<std::size_t>(blocks_ * (2 + threads))) {
    if (shared_) room_ = buffer().floats(2 * room_of_block());
  }

  // The part of a thread.
  void work(std::int64_t thread) {
    float* const room = shared_ ? room_ : buffer().floats(room_of_block());
    for (std::int64_t i = 0; i < blocks_; ++i) {
      const Block at = block(i, room);
      for (std::int64_t part; shared_ && (part = take(packings_begun(i))) < packings;) {
        pack(i, at, part);
      }
      bool packed = shared_;
      for (std::int64_t other = 0; other < threads_; ++other) {
        const std::int64_t owner = (thread + other) % threads_;
        const std::int64_t begin = owner * units_a_thread(),
                           end = std::min(begin + units_a_thread(), units());
        for (std::int64_t unit; (unit = begin + take(units_begun(i, owner))) < end;) {
          if (!packed) pack(at, 0, panels_of(at.width));
          packed = true;
          multiply(i, at, unit);
        }
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
  std::int64_t units_a_thread() const { return divide_up(units(), threads_); }
  std::int64_t room_of_block() const {
    return step_ * round_up(std::min(all_.n, most_columns), panel_columns());
  }
  Block block(std::int64_t i, float* room) const {
    const std::int64_t p = i / wide_ * step_, column = i % wide_ * most_columns;
    return {p, std::min(step_, all_.k - p), column, std::min(most_columns, all_.n - column),
            room + (shared_ ? i % 2 * room_of_block() : 0)};
  }

  static PackingBuffer& buffer() {
    thread_local PackingBuffer one;
    return one;
  }

  // What is waited for was begun by a thread that is at work.
  static void wait_for(const Counter& counter, std::int64_t count) {
    while (counter.load(std::memory_order_acquire) < count) std::this_thread::yield();
  }

  // Panels of a block.
  void pack(const Block& at, std::int64_t begin, std::int64_t end) const {
    const std::int64_t first = panel_begin(begin, at.width), last = panel_begin(end, at.width);
    pack_columns(at.depth, last - first,
                 {b_.data + at.p * b_.row + (at.column + first) * b_.column, b_.row, b_.column},
                 at.panels + begin * at.depth * panel_columns());
  }

  void pack(std::int64_t i, const Block& at, std::int64_t part) {
    // The block before the last was in the same place.
    for (const Counter& blocks_done : multiplied_) wait_for(blocks_done, i - 1);
    const std::int64_t panels = panels_of(at.width);
    pack(at, part * panels / packings, (part + 1) * panels / packings);
    packings_done(i).fetch_add(1, std::memory_order_release);
  }

  void multiply(std::int64_t i, const Block& at, std::int64_t unit) {
    const std::int64_t row = unit * rows_;
    Counter& blocks_done = multiplied_[static_cast<std::size_t>(unit)];
    if (shared_) wait_for(packings_done(i), packings);
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
    product.panel_size = at.depth * panel_columns();
    run_product(product);
    blocks_done.store(i + 1, std::memory_order_release);
  }

  const Product all_;
  const Matrix<float> b_;
  const std::int64_t threads_;
  const std::int64_t step_;  // the k of a block
  const bool shared_;        // the packing
  const std::int64_t rows_;  // of a unit
  const std::int64_t wide_;  // blocks side by side
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

bool better_packed(std::int64_t m, std::int64_t n, std::int64_t k) {
  return m >= 8 && n >= 24 && m * n * k > 1 << 18;
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
