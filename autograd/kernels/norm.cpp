#include "autograd/kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t grain = 8 * 1024;

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
    for (std::int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * scale;
    if (weight) {
      for (std::int64_t i = 0; i < n; ++i) y[i] *= weight[i];
    }
    if (bias) {
      for (std::int64_t i = 0; i < n; ++i) y[i] += bias[i];
    }
  }
};

// With x^ the normalised row and d = g weight: scale (d - mean d - x^ mean(d x^)).
template <class T>
struct BackwardRow {
  static void run(const NormBackward<T>* norm, std::int64_t row) {
    const std::int64_t n = norm->features;
    const auto count = static_cast<T>(n);
    const T* __restrict const g = norm->g + row * n;
    const T* __restrict const x = norm->x + row * n;
    const T* __restrict const weight = norm->weight;
    const T mean = norm->mean[row];
    const T scale = norm->scale[row];
    T* __restrict const d = norm->by_x + row * n;
    if (weight) {
      for (std::int64_t i = 0; i < n; ++i) d[i] = g[i] * weight[i];
    } else {
      for (std::int64_t i = 0; i < n; ++i) d[i] = g[i];
    }
    const T by_mean =
        norm->centred ? sum_of<T>(n, [d](std::int64_t i) { return d[i]; }) / count : T{0};
    const T by_scale =
        sum_of<T>(n, [=](std::int64_t i) { return d[i] * (x[i] - mean); }) * scale / count;
    for (std::int64_t i = 0; i < n; ++i) {
      d[i] = scale * (d[i] - by_mean - (x[i] - mean) * scale * by_scale);
    }
  }
};

// The features begin .. end of the gradients of weight and bias, summed down the rows.
template <class T>
struct BackwardColumns {
  static void run(const NormBackward<T>* norm, std::int64_t begin, std::int64_t end) {
    T* __restrict const by_weight = norm->by_weight;
    T* __restrict const by_bias = norm->by_bias;
    if (by_weight) std::fill(by_weight + begin, by_weight + end, T{0});
    if (by_bias) std::fill(by_bias + begin, by_bias + end, T{0});
    for (std::int64_t row = 0; row < norm->rows; ++row) {
      const T* __restrict const g = norm->g + row * norm->features;
      const T* __restrict const x = norm->x + row * norm->features;
      const T mean = norm->mean[row];
      const T scale = norm->scale[row];
      if (by_weight) {
        for (std::int64_t i = begin; i < end; ++i) by_weight[i] += g[i] * (x[i] - mean) * scale;
      }
      if (by_bias) {
        for (std::int64_t i = begin; i < end; ++i) by_bias[i] += g[i];
      }
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
  if (norm.by_x) {
    parallel_for(norm.rows, rows_at_once(norm.features), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        vectorised<BackwardRow<T>>(&norm, row);
      }
    });
  }
  if (norm.by_weight || norm.by_bias) {
    const std::int64_t columns =
        std::max<std::int64_t>(64, grain / std::max<std::int64_t>(1, norm.rows));
    parallel_for(norm.features, columns, [&](std::int64_t begin, std::int64_t end) {
      vectorised<BackwardColumns<T>>(&norm, begin, end);
    });
  }
}

template void norm_forward(const NormForward<float>&);
template void norm_forward(const NormForward<double>&);
template void norm_backward(const NormBackward<float>&);
template void norm_backward(const NormBackward<double>&);

}  // namespace attune
