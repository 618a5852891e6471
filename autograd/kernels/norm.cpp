#include "autograd/kernels/norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/reduce.h"
#include "autograd/kernels/rounding.h"

namespace attune {
namespace {

constexpr std::int64_t grain = 8 * 1024;
// Blocks of rows whose sums for the gradients of weight and bias are kept apart, to be added up.
constexpr std::int64_t most_blocks_of_rows = 32;

template <class T>
struct ForwardRow {
  static void run(const NormForward<T>* norm, std::int64_t row) {
    const std::int64_t n = norm->features;
    const auto count = static_cast<T>(n);
    const T* __restrict const x = norm->x + row * n;
    const T* __restrict const weight = norm->weight;
    const T* __restrict const bias = norm->bias;
    T* __restrict const y = norm->y + row * n;
    const T mean =
        norm->centred ? sum_of<T>(n, [x](std::int64_t i) { return x[i]; }) / count : T{0};
    const T squares =
        sum_of<T>(n, [x, mean](std::int64_t i) { return (x[i] - mean) * (x[i] - mean); });
    const T scale = 1 / std::sqrt(squares / count + static_cast<T>(norm->eps));
    norm->mean[row] = mean;
    norm->scale[row] = scale;
    if (weight && bias) {  // in one loop, for most have both
      for (std::int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
      return;
    }
    for (std::int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * scale;
    if (weight) {
      for (std::int64_t i = 0; i < n; ++i) y[i] *= weight[i];
    }
    if (bias) {
      for (std::int64_t i = 0; i < n; ++i) y[i] += bias[i];
    }
  }
};

// With x^ the normalised row and d = g weight: scale (d - mean d - x^ mean(d x^)). What the row
// adds to the gradients of weight and bias is added to `by_weight` and `by_bias`, unless null.
template <class T>
struct BackwardRow {
  static void run(const NormBackward<T>* norm, std::int64_t row, T* __restrict by_weight,
                  T* __restrict by_bias) {
    const std::int64_t n = norm->features;
    const T* __restrict const g = norm->g + row * n;
    const T* __restrict const x = norm->x + row * n;
    const T mean = norm->mean[row];
    const T scale = norm->scale[row];
    if (by_weight) {
      for (std::int64_t i = 0; i < n; ++i) by_weight[i] += g[i] * (x[i] - mean) * scale;
    }
    if (by_bias) {
      for (std::int64_t i = 0; i < n; ++i) by_bias[i] += g[i];
    }
    if (!norm->by_x) return;
    T* __restrict const by_x = norm->by_x + row * n;
    if (const T* __restrict const weight = norm->weight) {
      set_by_x(*norm, x, mean, scale, by_x, [=](std::int64_t i) { return g[i] * weight[i]; });
    } else {
      set_by_x(*norm, x, mean, scale, by_x, [=](std::int64_t i) { return g[i]; });
    }
  }

  template <class D>
  static void set_by_x(const NormBackward<T>& norm, const T* __restrict x, T mean, T scale,
                       T* __restrict by_x, D d) {
    const std::int64_t n = norm.features;
    const auto count = static_cast<T>(n);
    const T by_mean = norm.centred ? sum_of<T>(n, d) / count : T{0};
    const T by_scale =
        sum_of<T>(n, [=](std::int64_t i) { return d(i) * (x[i] - mean); }) * scale / count;
    for (std::int64_t i = 0; i < n; ++i) {
      by_x[i] = scale * (d(i) - by_mean - (x[i] - mean) * scale * by_scale);
    }
  }
};

// Rows of so many features are handed to a thread together.
std::int64_t rows_at_once(std::int64_t features) {
  return std::max<std::int64_t>(1, grain / std::max<std::int64_t>(1, features));
}

}  // namespace

template <class T>
void norm_forward(const NormForward<T>& norm) {
  parallel_for(norm.rows, rows_at_once(norm.features), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) vectorised<ForwardRow<T>>(&norm, row);
  });
}

template <class T>
void norm_backward(const NormBackward<T>& norm) {
  const std::int64_t n = norm.features;
  const std::int64_t at_once = std::max(rows_at_once(n), divide_up(norm.rows, most_blocks_of_rows));
  const std::int64_t blocks = divide_up(norm.rows, at_once);
  std::vector<T> weight_sums(static_cast<std::size_t>(norm.by_weight ? blocks * n : 0));
  std::vector<T> bias_sums(static_cast<std::size_t>(norm.by_bias ? blocks * n : 0));
  parallel_for(norm.rows, at_once, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t sums = begin / at_once * n;
    for (std::int64_t row = begin; row < end; ++row) {
      vectorised<BackwardRow<T>>(&norm, row, norm.by_weight ? weight_sums.data() + sums : nullptr,
                                 norm.by_bias ? bias_sums.data() + sums : nullptr);
    }
  });
  if (norm.by_weight) reduce(Reduce::sum, norm.by_weight, weight_sums.data(), 1, blocks, n);
  if (norm.by_bias) reduce(Reduce::sum, norm.by_bias, bias_sums.data(), 1, blocks, n);
}

template void norm_forward(const NormForward<float>&);
template void norm_forward(const NormForward<double>&);
template void norm_backward(const NormBackward<float>&);
template void norm_backward(const NormBackward<double>&);

}  // namespace attune
