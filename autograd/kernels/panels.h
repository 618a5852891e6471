#pragma once
// The order in which tiles (tiles.h) read the right operand of a product: in panels of so many
// columns as one tile has, each [k, columns] without gaps.

#include <algorithm>
#include <cstdint>

#include "autograd/kernels/gemm.h"
#include "autograd/kernels/isa.h"
#include "autograd/kernels/rounding.h"

namespace attune {

// The numbers of a vector, the vectors of a row and the rows that fill the registers of an
// instruction set.
template <int lanes_of_vector, int vectors_of_row, int rows_of_tile>
struct TileSize {
  static constexpr int lanes = lanes_of_vector;
  static constexpr int vectors = vectors_of_row;
  static constexpr int rows = rows_of_tile;
  static constexpr int columns = lanes * vectors;
};
using Avx512Tile = TileSize<16, 3, 8>;
using Avx2Tile = TileSize<8, 2, 6>;
using BaselineTile = TileSize<4, 2, 4>;

// Kernel<the tile of this machine>::run(argument), compiled for this machine.
template <template <class> class Kernel, class Argument>
void run_by_tile(const Argument* argument) {
#if defined(__x86_64__)
  switch (isa()) {
    case Isa::avx512:
      return run_avx512<Kernel<Avx512Tile>>(argument);
    case Isa::avx2:
      return run_avx2<Kernel<Avx2Tile>>(argument);
    case Isa::baseline:
      break;
  }
#endif
  Kernel<BaselineTile>::run(argument);
}

// How many of the `left` columns are the next panel's. The last two share theirs: a tile of one
// vector runs at half the speed of one of two.
template <class Size>
constexpr std::int64_t next_columns_of(std::int64_t left) {
  if (left <= Size::columns || left > 2 * Size::columns) {
    return std::min<std::int64_t>(left, Size::columns);
  }
  return round_up((left + 1) / 2, Size::lanes);
}

// On this machine: the columns of a panel, the number of panels of n columns, and where one of them
// begins.
std::int64_t panel_columns();
std::int64_t panels_of(std::int64_t n);
std::int64_t panel_begin(std::int64_t panel, std::int64_t n);

// Sets `out` to the panels of b [k, n].
void pack_columns(std::int64_t k, std::int64_t n, Matrix<float> b, float* out);

}  // namespace attune
