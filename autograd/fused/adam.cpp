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

  static void run(T* p, const T* gradient, T* m, T* v, std::int64_t n,
                  const Constants<T>* constants) {
    constexpr auto at_once = block / static_cast<std::int64_t>(sizeof(T));
    for (std::int64_t i = 0; i < n; i += at_once) {
      for (const T* array : {static_cast<const T*>(p), gradient, static_cast<const T*>(m),
                             static_cast<const T*>(v)}) {
        fetch(array + i);
      }
      update(p + i, gradient + i, m + i, v + i, std::min(at_once, n - i), *constants);
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
    const T* const of = g.data<T>();
    parallel_for(parameter.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      vectorised<AdamLoop<T>>(p + begin, of + begin, first + begin, second + begin, end - begin,
                              &constants);
    });
  });
}

namespace {

template <class T>
struct SquaresLoop {
  static void run(const T* x, std::int64_t n, double* result) {
    *result = static_cast<double>(sum_of<T>(n, [x](std::int64_t i) { return x[i] * x[i]; }));
  }
};

}  // namespace

double sum_of_squares(const Tensor& x) {
  const Tensor whole = x.detach().contiguous();
  std::vector<double> parts(static_cast<std::size_t>(divide_up(x.numel(), grain)));
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    const T* const data = whole.data<T>();
    parallel_for(x.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      vectorised<SquaresLoop<T>>(data + begin, end - begin,
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
