#include "autograd/fused/adam.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/parallel.h"
#include "autograd/kernels/rounding.h"
#include "autograd/ops.h"

namespace attune {
namespace {

constexpr std::int64_t grain = 8 * 1024;

// The rows of x that were written, where the others, zeros, need not be: null where x is to be read
// as a whole. A row fills the lanes of a sum, which has the same bits with and without the others.
const WrittenRows* rows_of_table(const Tensor& x) {
  const Storage& storage = *x.handle()->storage;
  const WrittenRows* const rows = storage.written_rows();
  const bool whole = x.is_contiguous() &&
                     static_cast<std::size_t>(x.numel()) * item_size(x.dtype()) == storage.bytes();
  return rows && whole && rows->bytes % (sum_lanes * item_size(x.dtype())) == 0 ? rows : nullptr;
}

template <class T>
const T* elements_of(const Tensor& x, const WrittenRows* rows) {
  return rows ? reinterpret_cast<const T*>(x.handle()->storage->written_data()) : x.data<T>();
}

// Calls f(first, last, written) for the stretches of the elements begin .. end - 1 that were
// written, or were not.
template <class T, class F>
void for_stretches(const WrittenRows* rows, std::int64_t begin, std::int64_t end, const F& f) {
  if (!rows) return f(begin, end, true);
  const auto size = static_cast<std::int64_t>(rows->bytes / sizeof(T));
  const auto written = [&](std::int64_t i) {
    return rows->written[static_cast<std::size_t>(i / size)];
  };
  for (std::int64_t first = begin, last = begin; first < end; first = last) {
    do {
      last = std::min(end, (last / size + 1) * size);
    } while (last < end && written(last) == written(first));
    f(first, last, written(first));
  }
}

// The constants of a step in the dtype of the parameter. The corrections of the moments' bias are
// made factors: a division takes several times as long.
template <class T>
struct Constants {
  T beta1, beta2, epsilon, penalty, shrink, scale, corrected_rate, root_factor;

  explicit Constants(const AdamStep& s)
      : beta1(static_cast<T>(s.beta1)),
        beta2(static_cast<T>(s.beta2)),
        epsilon(static_cast<T>(s.epsilon)),
        penalty(static_cast<T>(s.decoupled ? 0 : s.decay)),
        shrink(static_cast<T>(s.decoupled ? 1 - s.rate * s.decay : 1)),
        scale(static_cast<T>(s.scale)),
        corrected_rate(static_cast<T>(s.rate / (1 - std::pow(s.beta1, static_cast<double>(s.t))))),
        root_factor(
            static_cast<T>(1 / std::sqrt(1 - std::pow(s.beta2, static_cast<double>(s.t))))) {}
};

template <class T>
struct AdamLoop {
  // Bytes of each array that are updated at a time, and how far ahead of them more is fetched: the
  // processor itself foresees no further than to the end of a page of 4 KiB, and waits at each.
  static constexpr std::int64_t line = 64, block = 4 * line, ahead = 8 * block;
  static constexpr auto at_once = block / static_cast<std::int64_t>(sizeof(T));
  alignas(line) static constexpr T zeros[static_cast<std::size_t>(at_once)] = {};

  // `gradient` is null where it is zero.
  static void run(T* p, const T* gradient, T* m, T* v, std::int64_t n,
                  const Constants<T>* constants) {
    for (std::int64_t i = 0; i < n; i += at_once) {
      const T* const g = gradient ? gradient + i : zeros;
      if (gradient) fetch(g);
      for (const T* array : {p, m, v}) fetch(array + i);
      update(p + i, g, m + i, v + i, std::min(at_once, n - i), *constants);
    }
  }

  static void fetch(const T* from) {
    const char* const bytes = reinterpret_cast<const char*>(from) + ahead;
    for (std::int64_t i = 0; i < block; i += line) __builtin_prefetch(bytes + i);
  }

  static void update(T* __restrict p, const T* __restrict gradient, T* __restrict m,
                     T* __restrict v, std::int64_t n, const Constants<T>& c) {
    for (std::int64_t i = 0; i < n; ++i) {
      const T g = c.scale * gradient[i] + c.penalty * p[i];
      m[i] = c.beta1 * m[i] + (1 - c.beta1) * g;
      v[i] = c.beta2 * v[i] + (1 - c.beta2) * g * g;
      const T root = std::sqrt(v[i]) * c.root_factor + c.epsilon;
      p[i] = c.shrink * p[i] - c.corrected_rate * m[i] / root;
    }
  }
};

}  // namespace

void adam_step(Tensor& parameter, const Tensor& gradient, Tensor& m, Tensor& v,
               const AdamStep& step) {
  const NoGrad no_grad;
  const Tensor g = gradient.contiguous();
  dispatch_floating(parameter.dtype(), [&]<class T>(T) {
    const Constants<T> constants(step);
    T* const p = parameter.mutable_data<T>();
    T* const first = m.mutable_data<T>();
    T* const second = v.mutable_data<T>();
    const WrittenRows* const rows = rows_of_table(g);
    const T* const of = elements_of<T>(g, rows);
    parallel_for(parameter.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      for_stretches<T>(rows, begin, end, [&](std::int64_t i, std::int64_t last, bool written) {
        vectorised<AdamLoop<T>>(p + i, written ? of + i : nullptr, first + i, second + i, last - i,
                                &constants);
      });
    });
  });
}

namespace {

// A sum of squares as sum_of() has it, taken up at one stretch after another.
template <class T>
struct SquaresLoop {
  static void run(const T* x, std::int64_t n, T* sums) {
    T partial[sum_lanes];
    std::copy_n(sums, sum_lanes, partial);
    add_to_lanes(partial, n, [x](std::int64_t i) { return x[i] * x[i]; });
    std::copy_n(partial, sum_lanes, sums);
  }
};
template <class T>
struct SquaresEnd {
  static void run(const T* x, std::int64_t n, const T* sums, double* result) {
    const auto square = [x](std::int64_t i) { return x[i] * x[i]; };
    *result = static_cast<double>(sum_with_lanes(sums, 0, n, square));
  }
};

}  // namespace

double sum_of_squares(const Tensor& x) {
  const Tensor whole = x.detach().contiguous();
  std::vector<double> parts(static_cast<std::size_t>(divide_up(x.numel(), grain)));
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    const WrittenRows* const rows = rows_of_table(whole);
    const T* const data = elements_of<T>(whole, rows);
    parallel_for(x.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      T sums[sum_lanes] = {};
      const std::int64_t vectors = end - (end - begin) % sum_lanes;
      for_stretches<T>(rows, begin, vectors, [&](std::int64_t i, std::int64_t last, bool written) {
        if (written) vectorised<SquaresLoop<T>>(data + i, last - i, &sums[0]);
      });
      vectorised<SquaresEnd<T>>(data + vectors, end - vectors, &sums[0],
                                &parts[static_cast<std::size_t>(begin / grain)]);
    });
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

namespace {

// The first part of a step: decay and the two moments.
void move_moments(Tensor& parameter, const Tensor& gradient, Tensor& m, Tensor& v,
                  const AdamStep& s) {
  Tensor g = gradient * s.scale;
  if (s.decoupled) {
    parameter.mul_(1 - s.rate * s.decay);
  } else {
    g = g + parameter * s.decay;
  }
  m.copy_(m * s.beta1 + g * (1 - s.beta1));
  v.copy_(v * s.beta2 + g * g * (1 - s.beta2));
}

// The second part, with `v` the second moment to divide by.
void move_parameter(Tensor& parameter, const Tensor& m, const Tensor& v, const AdamStep& s) {
  const auto t = static_cast<double>(s.t);
  const Tensor root = sqrt(v / (1 - std::pow(s.beta2, t))) + s.epsilon;
  parameter.copy_(parameter - s.rate * (m / (1 - std::pow(s.beta1, t))) / root);
}

}  // namespace

void adam_composition(Tensor& parameter, const Tensor& gradient, Tensor& m, Tensor& v,
                      const AdamStep& step) {
  const NoGrad no_grad;
  move_moments(parameter, gradient, m, v, step);
  move_parameter(parameter, m, v, step);
}

void amsgrad_composition(Tensor& parameter, const Tensor& gradient, Tensor& m, Tensor& v,
                         Tensor& largest, const AdamStep& step) {
  const NoGrad no_grad;
  move_moments(parameter, gradient, m, v, step);
  largest.copy_(maximum(largest, v));
  move_parameter(parameter, m, largest, step);
}

}  // namespace attune
