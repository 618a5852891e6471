#include "autograd/kernels/reduce.h"

#include <algorithm>
#include <vector>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/rounding.h"

namespace attune {
namespace {

struct Sum {
  template <class T>
  static T combine(T a, T b) {
    return a + b;
  }
};
struct Max {
  template <class T>
  static T combine(T a, T b) {
    return b > a || b != b ? b : a;
  }
};
struct Min {
  template <class T>
  static T combine(T a, T b) {
    return b < a || b != b ? b : a;
  }
};

// Independent partial results, so that the additions do not wait for each other.
constexpr std::int64_t lanes = 32;
// A longer row is cut into pieces of this size, which are reduced apart and then together.
constexpr std::int64_t piece = 16 * 1024;
constexpr std::int64_t grain = 16 * 1024;
// Rows that become one are reduced in so many blocks at most, from so many elements on; but not few
// rows, nor longer ones than this, for the results of the blocks take room.
constexpr std::int64_t most_blocks = 32;
constexpr std::int64_t least_in_blocks = 128 * 1024;
constexpr std::int64_t longest_row_in_blocks = 8 * 1024;

// One row: n neighbouring elements to one. n is not 0.
template <class Op, class T>
struct ReduceRow {
  static void run(T* out, const T* in, std::int64_t n) {
    T result;
    std::int64_t i = 0;
    if (n >= lanes) {
      T partial[lanes];
      for (std::int64_t l = 0; l < lanes; ++l) partial[l] = in[l];
      for (i = lanes; i + lanes <= n; i += lanes) {
        for (std::int64_t l = 0; l < lanes; ++l) partial[l] = Op::combine(partial[l], in[i + l]);
      }
      result = fold<lanes>(partial, [](T a, T b) { return Op::combine(a, b); });
    } else {
      result = in[i++];
    }
    for (; i < n; ++i) result = Op::combine(result, in[i]);
    *out = result;
  }
};

// The columns begin .. end of n rows of `inner` elements, downwards. n is not 0.
template <class Op, class T>
struct ReduceColumns {
  static void run(T* __restrict out, const T* in, std::int64_t n, std::int64_t inner,
                  std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = in[i];
    for (std::int64_t row = 1; row < n; ++row) {
      in += inner;
      for (std::int64_t i = begin; i < end; ++i) out[i] = Op::combine(out[i], in[i]);
    }
  }
};

template <class Op, class T>
void reduce_rows(T* out, const T* in, std::int64_t outer, std::int64_t n) {
  if (n > 2 * piece) {
    const std::int64_t pieces = divide_up(n, piece);
    std::vector<T> partial(static_cast<std::size_t>(pieces));
    for (std::int64_t o = 0; o < outer; ++o) {
      parallel_for(pieces, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p) {
          vectorised<ReduceRow<Op, T>>(partial.data() + p, in + o * n + p * piece,
                                       std::min(piece, n - p * piece));
        }
      });
      ReduceRow<Op, T>::run(out + o, partial.data(), pieces);
    }
    return;
  }
  parallel_for(outer, std::max<std::int64_t>(1, grain / n),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t o = begin; o < end; ++o) {
                   vectorised<ReduceRow<Op, T>>(out + o, in + o * n, n);
                 }
               });
}

// Reads the rows as they lie: blocks of them are reduced apart, and then together.
template <class Op, class T>
void reduce_blocks_of_rows(T* out, const T* in, std::int64_t n, std::int64_t inner) {
  const auto reduce_rows_of = [inner](T* to, const T* from, std::int64_t rows) {
    vectorised<ReduceColumns<Op, T>>(to, from, rows, inner, std::int64_t{0}, inner);
  };
  if (n * inner < least_in_blocks) return reduce_rows_of(out, in, n);
  const std::int64_t at_once = std::max(divide_up(n, most_blocks), divide_up(grain, inner));
  const std::int64_t blocks = divide_up(n, at_once);
  std::vector<T> partial(static_cast<std::size_t>(blocks * inner));
  parallel_for(n, at_once, [&](std::int64_t begin, std::int64_t end) {
    reduce_rows_of(partial.data() + begin / at_once * inner, in + begin * inner, end - begin);
  });
  reduce_rows_of(out, partial.data(), blocks);
}

template <class Op, class T>
void reduce_columns(T* out, const T* in, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  if (outer > 1) {
    const std::int64_t at_once = std::max<std::int64_t>(1, grain / (n * inner));
    parallel_for(outer, at_once, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t o = begin; o < end; ++o) {
        vectorised<ReduceColumns<Op, T>>(out + o * inner, in + o * n * inner, n, inner,
                                         std::int64_t{0}, inner);
      }
    });
    return;
  }
  if (n >= 2 * most_blocks && inner <= longest_row_in_blocks) {
    return reduce_blocks_of_rows<Op>(out, in, n, inner);
  }
  const std::int64_t at_once = std::max<std::int64_t>(64, grain / n);
  parallel_for(inner, at_once, [&](std::int64_t begin, std::int64_t end) {
    vectorised<ReduceColumns<Op, T>>(out, in, n, inner, begin, end);
  });
}

template <class Op, class T>
void reduce_with(T* out, const T* in, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  if (outer == 0 || inner == 0) return;
  if (n == 0) {
    std::fill_n(out, outer * inner, T{0});
  } else if (inner == 1) {
    reduce_rows<Op>(out, in, outer, n);
  } else {
    reduce_columns<Op>(out, in, outer, n, inner);
  }
}

}  // namespace

template <class T>
void reduce(Reduce op, T* out, const T* in, std::int64_t outer, std::int64_t n,
            std::int64_t inner) {
  switch (op) {
    case Reduce::sum:
      return reduce_with<Sum>(out, in, outer, n, inner);
    case Reduce::max:
      return reduce_with<Max>(out, in, outer, n, inner);
    case Reduce::min:
      return reduce_with<Min>(out, in, outer, n, inner);
  }
}

template <class T>
void argmax(std::int64_t* out, const T* in, std::int64_t outer, std::int64_t n,
            std::int64_t inner) {
  parallel_for(outer, std::max<std::int64_t>(1, grain / std::max<std::int64_t>(1, n * inner)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t o = begin; o < end; ++o) {
                   for (std::int64_t i = 0; i < inner; ++i) {
                     const T* const column = in + o * n * inner + i;
                     std::int64_t best = 0;
                     for (std::int64_t k = 1; k < n; ++k) {
                       const T largest = column[best * inner];
                       const T now = column[k * inner];
                       if (now > largest || (now != now && largest == largest)) best = k;
                     }
                     out[o * inner + i] = best;
                   }
                 }
               });
}

template <class T>
void cumsum(T* out, const T* in, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  const std::int64_t slab = n * inner;
  parallel_for(outer, std::max<std::int64_t>(1, grain / std::max<std::int64_t>(1, slab)),
               [=](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t o = begin; o < end; ++o) {
                   const T* const from = in + o * slab;
                   T* const to = out + o * slab;
                   std::copy_n(from, std::min(inner, slab), to);
                   for (std::int64_t i = inner; i < slab; ++i) to[i] = to[i - inner] + from[i];
                 }
               });
}

template void reduce(Reduce, float*, const float*, std::int64_t, std::int64_t, std::int64_t);
template void reduce(Reduce, double*, const double*, std::int64_t, std::int64_t, std::int64_t);
template void reduce(Reduce, std::int64_t*, const std::int64_t*, std::int64_t, std::int64_t,
                     std::int64_t);
template void argmax(std::int64_t*, const float*, std::int64_t, std::int64_t, std::int64_t);
template void argmax(std::int64_t*, const double*, std::int64_t, std::int64_t, std::int64_t);
template void argmax(std::int64_t*, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t);
template void cumsum(float*, const float*, std::int64_t, std::int64_t, std::int64_t);
template void cumsum(double*, const double*, std::int64_t, std::int64_t, std::int64_t);
template void cumsum(std::int64_t*, const std::int64_t*, std::int64_t, std::int64_t, std::int64_t);

}  // namespace attune
