#include "autograd/kernels/softmax.h"

#include <algorithm>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/math.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t grain = 8 * 1024;

// Sets out[i] to f(i), and returns the sum.
template <class T, class F>
T set_and_sum(T* out, std::int64_t n, F f) {
  T sums[sum_lanes] = {};
  const std::int64_t whole = n - n % sum_lanes;
  add_to_lanes(sums, whole, [=](std::int64_t i) { return out[i] = f(i); });
  for (std::int64_t i = whole; i < n; ++i) out[i] = f(i);
  return sum_with_lanes(sums, whole, n, [=](std::int64_t i) { return out[i]; });
}

template <class T>
struct SoftmaxRow {
  static void run(T* __restrict out, const T* __restrict in, std::int64_t n) {
    const T max = largest_of(in, n);
    const T scale = 1 / set_and_sum(out, n, [=](std::int64_t i) { return exp(in[i] - max); });
    for (std::int64_t i = 0; i < n; ++i) out[i] *= scale;
  }
};

// log sum e^in = max + log_sum. The parts are subtracted one after the other: their sum would be
// rounded to the precision of large logits.
template <class T>
struct LogSumExp {
  T max, log_sum;
};

// A row that is all -inf has no finite maximum to subtract: its log_sum is no number.
template <class T>
LogSumExp<T> logsumexp_of(const T* in, std::int64_t n) {
  const T max = largest_of(in, n);
  return {max, log(sum_of<T>(n, [in, max](std::int64_t i) { return exp(in[i] - max); }))};
}

template <class T>
struct LogSoftmaxRow {
  static void run(T* __restrict out, const T* __restrict in, std::int64_t n) {
    const auto [max, log_sum] = logsumexp_of(in, n);
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i] - max - log_sum;
  }
};

// The first place of `value`, which is looked for in whole vectors at a time.
template <class T>
std::int64_t place_of(T value, const T* in, std::int64_t n) {
  constexpr std::int64_t block = 64;
  std::int64_t begin = 0;
  for (; begin + block <= n; begin += block) {
    int hits = 0;
    for (std::int64_t l = 0; l < block; ++l) hits += in[begin + l] == value;
    if (hits > 0) break;
  }
  const T* const found = std::find(in + begin, in + n, value);
  return found == in + n ? 0 : found - in;
}

template <class T>
struct MostProbableRow {
  static void run(std::int64_t* best, T* log_probability, const T* __restrict in, std::int64_t n) {
    const auto [max, log_sum] = logsumexp_of(in, n);
    *best = place_of(max, in, n);
    *log_probability = -log_sum;
  }
};

template <class T>
struct CrossEntropyRow {
  static void run(T* loss, T* logsumexp, const T* __restrict in, std::int64_t n,
                  std::int64_t target, T smoothing) {
    const auto [max, log_sum] = logsumexp_of(in, n);
    *logsumexp = max + log_sum;
    *loss = (1 - smoothing) * (max - in[target]) + log_sum;
    if (smoothing != 0) {
      const T below = sum_of<T>(n, [in, max = max](std::int64_t i) { return max - in[i]; });
      *loss += smoothing / static_cast<T>(n) * below;
    }
  }
};

template <class T>
struct CrossEntropyBackwardRow {
  static void run(T* __restrict out, const T* __restrict in, T g, T logsumexp, std::int64_t n,
                  std::int64_t target, T smoothing) {
    const T uniform = smoothing / static_cast<T>(n);
    for (std::int64_t i = 0; i < n; ++i) out[i] = g * (exp(in[i] - logsumexp) - uniform);
    out[target] -= g * (1 - smoothing);
  }
};

// Both at once: e^(x - max) takes the place of the logits, and then the gradient that of e^(x -
// max).
template <class T>
struct CrossEntropyGradientRow {
  static void run(T* loss, T* __restrict row, T g, std::int64_t n, std::int64_t target,
                  T smoothing) {
    const T max = largest_of(row, n);
    const T uniform = smoothing / static_cast<T>(n);
    *loss = (1 - smoothing) * (max - row[target]);
    if (smoothing != 0) {
      *loss += uniform * sum_of<T>(n, [=](std::int64_t i) { return max - row[i]; });
    }
    const T sum = set_and_sum(row, n, [=](std::int64_t i) { return exp(row[i] - max); });
    *loss += log(sum);
    const T scale = g / sum;
    for (std::int64_t i = 0; i < n; ++i) row[i] = scale * row[i] - g * uniform;
    row[target] -= g * (1 - smoothing);
  }
};

template <class F>
void for_rows(std::int64_t rows, std::int64_t n, F f) {
  if (n == 0) return;
  parallel_for(rows, std::max<std::int64_t>(1, grain / n),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) f(row);
               });
}

}  // namespace

template <class T>
void softmax_rows(T* out, const T* in, std::int64_t rows, std::int64_t n) {
  for_rows(rows, n, [=](std::int64_t r) { vectorised<SoftmaxRow<T>>(out + r * n, in + r * n, n); });
}

template <class T>
void log_softmax_rows(T* out, const T* in, std::int64_t rows, std::int64_t n) {
  for_rows(rows, n,
           [=](std::int64_t r) { vectorised<LogSoftmaxRow<T>>(out + r * n, in + r * n, n); });
}

template <class T>
void most_probable_rows(std::int64_t* best, T* log_probability, const T* in, std::int64_t rows,
                        std::int64_t n) {
  for_rows(rows, n, [=](std::int64_t r) {
    vectorised<MostProbableRow<T>>(best + r, log_probability + r, in + r * n, n);
  });
}

template <class T>
void cross_entropy_rows(T* loss, T* logsumexp, const T* logits, const std::int64_t* targets,
                        std::int64_t rows, std::int64_t n, std::int64_t ignored, double smoothing) {
  for_rows(rows, n, [=](std::int64_t r) {
    if (targets[r] == ignored) {
      loss[r] = logsumexp[r] = 0;
      return;
    }
    vectorised<CrossEntropyRow<T>>(loss + r, logsumexp + r, logits + r * n, n, targets[r],
                                   static_cast<T>(smoothing));
  });
}

template <class T>
void cross_entropy_backward_rows(T* gradient, const T* g, const T* logits, const T* logsumexp,
                                 const std::int64_t* targets, std::int64_t rows, std::int64_t n,
                                 std::int64_t ignored, double smoothing) {
  for_rows(rows, n, [=](std::int64_t r) {
    if (targets[r] == ignored) {
      std::fill_n(gradient + r * n, n, T{0});
      return;
    }
    vectorised<CrossEntropyBackwardRow<T>>(gradient + r * n, logits + r * n, g[r], logsumexp[r], n,
                                           targets[r], static_cast<T>(smoothing));
  });
}

template <class T>
void cross_entropy_gradient_rows(T* loss, T* logits, T g, const std::int64_t* targets,
                                 std::int64_t rows, std::int64_t n, double smoothing) {
  for_rows(rows, n, [=](std::int64_t r) {
    vectorised<CrossEntropyGradientRow<T>>(loss + r, logits + r * n, g, n, targets[r],
                                           static_cast<T>(smoothing));
  });
}

template void softmax_rows(float*, const float*, std::int64_t, std::int64_t);
template void softmax_rows(double*, const double*, std::int64_t, std::int64_t);
template void log_softmax_rows(float*, const float*, std::int64_t, std::int64_t);
template void log_softmax_rows(double*, const double*, std::int64_t, std::int64_t);
template void most_probable_rows(std::int64_t*, float*, const float*, std::int64_t, std::int64_t);
template void most_probable_rows(std::int64_t*, double*, const double*, std::int64_t, std::int64_t);
template void cross_entropy_rows(float*, float*, const float*, const std::int64_t*, std::int64_t,
                                 std::int64_t, std::int64_t, double);
template void cross_entropy_rows(double*, double*, const double*, const std::int64_t*, std::int64_t,
                                 std::int64_t, std::int64_t, double);
template void cross_entropy_backward_rows(float*, const float*, const float*, const float*,
                                          const std::int64_t*, std::int64_t, std::int64_t,
                                          std::int64_t, double);
template void cross_entropy_backward_rows(double*, const double*, const double*, const double*,
                                          const std::int64_t*, std::int64_t, std::int64_t,
                                          std::int64_t, double);

template void cross_entropy_gradient_rows(float*, float*, float, const std::int64_t*, std::int64_t,
                                          std::int64_t, double);
template void cross_entropy_gradient_rows(double*, double*, double, const std::int64_t*,
                                          std::int64_t, std::int64_t, double);

}  // namespace attune
