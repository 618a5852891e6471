#include "autograd/kernels/gru.h"

#include <algorithm>
#include <memory>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/math.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

// Rows of the batch that a thread runs through a whole sequence: no step waits for another thread.
constexpr std::int64_t rows_a_task = 32;

template <class T>
struct GatesForward {
  static void run(const GruGates<T>* step) {
    const std::int64_t h = step->hidden;
    for (std::int64_t row = 0; row < step->rows; ++row) {
      const T* const previous = step->previous + row * h;
      T* const next = step->next + row * h;
      if (step->active && !step->active[row]) {
        std::copy_n(previous, h, next);
        continue;
      }
      one_row(h, step->input + row * step->input_stride, step->recurrent + row * 3 * h, previous,
              step->kept + row * 4 * h, next);
    }
  }

  static void one_row(std::int64_t h, const T* __restrict input, const T* __restrict recurrent,
                      const T* __restrict previous, T* __restrict kept, T* __restrict next) {
    for (std::int64_t i = 0; i < h; ++i) {
      const T r = sigmoid(input[i] + recurrent[i]);
      const T z = sigmoid(input[h + i] + recurrent[h + i]);
      const T k = recurrent[2 * h + i];
      const T n = tanh(input[2 * h + i] + r * k);
      kept[i] = r;
      kept[h + i] = z;
      kept[2 * h + i] = n;
      kept[3 * h + i] = k;
      next[i] = n + z * (previous[i] - n);
    }
  }
};

template <class T>
struct GatesBackward {
  static void run(const GruGatesBackward<T>* step) {
    const std::int64_t h = step->hidden;
    for (std::int64_t row = 0; row < step->rows; ++row) {
      T* const by_input = step->by_input + row * step->input_stride;
      T* const by_recurrent = step->by_recurrent + row * 3 * h;
      if (step->active && !step->active[row]) {
        std::fill_n(by_input, 3 * h, T{0});
        std::fill_n(by_recurrent, 3 * h, T{0});
        continue;
      }
      one_row(h, step->previous + row * h, step->kept + row * 4 * h, by_input, by_recurrent,
              step->by_previous + row * h);
    }
  }

  static void one_row(std::int64_t h, const T* __restrict previous, const T* __restrict kept,
                      T* __restrict by_input, T* __restrict by_recurrent, T* __restrict g) {
    for (std::int64_t i = 0; i < h; ++i) {
      const T r = kept[i];
      const T z = kept[h + i];
      const T n = kept[2 * h + i];
      const T k = kept[3 * h + i];
      const T by_n = g[i] * (1 - z) * (1 - n * n);
      const T by_r = by_n * k * r * (1 - r);
      const T by_z = g[i] * (previous[i] - n) * z * (1 - z);
      by_input[i] = by_recurrent[i] = by_r;
      by_input[h + i] = by_recurrent[h + i] = by_z;
      by_input[2 * h + i] = by_n;
      by_recurrent[2 * h + i] = by_n * r;
      g[i] *= z;
    }
  }
};

// Which rows are at a real step.
struct Active {
  const std::int64_t* lengths;
  std::unique_ptr<bool[]> flags;

  Active(const std::int64_t* row_lengths, std::int64_t rows)
      : lengths(row_lengths),
        flags(lengths ? std::make_unique<bool[]>(static_cast<std::size_t>(rows)) : nullptr) {}

  const bool* at(std::int64_t t, std::int64_t rows) {
    for (std::int64_t row = 0; lengths && row < rows; ++row) flags.get()[row] = t < lengths[row];
    return flags.get();
  }
};

template <class T>
void forward_rows(const GruSequenceForward<T>& run, std::int64_t begin, std::int64_t end) {
  const std::int64_t h = run.hidden;
  const std::int64_t rows = end - begin;
  const auto recurrent = std::make_unique<T[]>(static_cast<std::size_t>(rows * 3 * h));
  Active active(run.lengths ? run.lengths + begin : nullptr, rows);
  for (std::int64_t s = 0; s < run.time; ++s) {
    const std::int64_t t = run.reverse ? run.time - 1 - s : s;
    const T* const previous = run.states + (s * run.batch + begin) * h;
    T* const next = run.states + ((s + 1) * run.batch + begin) * h;
    for (std::int64_t row = 0; row < rows; ++row) {
      std::copy_n(run.bias, 3 * h, recurrent.get() + row * 3 * h);
    }
    run.weight.multiply(rows, previous, h, T{1}, recurrent.get(), 3 * h);
    const bool* const flags = active.at(t, rows);
    gru_gates_forward<T>({rows, h, run.input + (begin * run.time + t) * 3 * h, run.time * 3 * h,
                          recurrent.get(), previous, flags,
                          run.kept + (s * run.batch + begin) * 4 * h, next});
    for (std::int64_t row = 0; row < rows; ++row) {
      T* const out = run.output + ((begin + row) * run.time + t) * h;
      if (flags && !flags[row]) {
        std::fill_n(out, h, T{0});
      } else {
        std::copy_n(next + row * h, h, out);
      }
    }
  }
}

template <class T>
void backward_rows(const GruSequenceBackward<T>& run, std::int64_t begin, std::int64_t end) {
  const std::int64_t h = run.hidden;
  const std::int64_t rows = end - begin;
  Active active(run.lengths ? run.lengths + begin : nullptr, rows);
  T* const g = run.by_state + begin * h;
  for (std::int64_t s = run.time; s-- > 0;) {
    const std::int64_t t = run.reverse ? run.time - 1 - s : s;
    const bool* const flags = active.at(t, rows);
    for (std::int64_t row = 0; run.by_output && row < rows; ++row) {
      if (flags && !flags[row]) continue;
      const T* const arriving = run.by_output + ((begin + row) * run.time + t) * h;
      for (std::int64_t i = 0; i < h; ++i) g[row * h + i] += arriving[i];
    }
    T* const by_recurrent = run.by_recurrent + (s * run.batch + begin) * 3 * h;
    gru_gates_backward<T>({rows, h, run.states + (s * run.batch + begin) * h,
                           run.kept + (s * run.batch + begin) * 4 * h, flags,
                           run.by_input + (begin * run.time + t) * 3 * h, run.time * 3 * h,
                           by_recurrent, g});
    run.weight.multiply(rows, by_recurrent, 3 * h, T{1}, g, h);
  }
}

}  // namespace

template <class T>
void gru_gates_forward(const GruGates<T>& step) {
  vectorised<GatesForward<T>>(&step);
}

template <class T>
void gru_gates_backward(const GruGatesBackward<T>& step) {
  vectorised<GatesBackward<T>>(&step);
}

template <class T>
void gru_sequence_forward(const GruSequenceForward<T>& run) {
  parallel_for(run.batch, rows_a_task,
               [&](std::int64_t begin, std::int64_t end) { forward_rows(run, begin, end); });
}

template <class T>
void gru_sequence_backward(const GruSequenceBackward<T>& run) {
  parallel_for(run.batch, rows_a_task,
               [&](std::int64_t begin, std::int64_t end) { backward_rows(run, begin, end); });
}

template void gru_gates_forward(const GruGates<float>&);
template void gru_gates_forward(const GruGates<double>&);
template void gru_gates_backward(const GruGatesBackward<float>&);
template void gru_gates_backward(const GruGatesBackward<double>&);
template void gru_sequence_forward(const GruSequenceForward<float>&);
template void gru_sequence_forward(const GruSequenceForward<double>&);
template void gru_sequence_backward(const GruSequenceBackward<float>&);
template void gru_sequence_backward(const GruSequenceBackward<double>&);

}  // namespace attune
