#include "autograd/kernels/gru.h"

#include <algorithm>
#include <functional>
#include <memory>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/math.h"

namespace attune {
namespace {

template <class T>
struct GatesForward {
  static void run(const GruGates<T>* step) {
    const std::int64_t h = step->hidden;
    for (std::int64_t row = 0; row < step->rows; ++row) {
      one_row(h, step->input + row * 3 * h, step->recurrent + row * 3 * h, step->previous + row * h,
              step->kept + row * 4 * h, step->next + row * h);
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
      one_row(h, step->previous + row * h, step->kept + row * 4 * h, step->by_input + row * 3 * h,
              step->by_recurrent + row * 3 * h, step->by_previous + row * h);
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

template <class T>
void forward_task(const GruSequenceForward<T>& run, const StepTask& task) {
  const std::int64_t h = run.hidden;
  const std::unique_ptr<T[]> initial = rows_of(task, run.initial, h);
  const auto recurrent =
      std::make_unique_for_overwrite<T[]>(task.rows.size() * static_cast<std::size_t>(3 * h));
  // The rows that are at work at a step were the first of those at work before it.
  const T* previous = initial.get();
  for (std::int64_t s = 0; s < task.time(); ++s) {
    const std::int64_t first = task.start(s), rows = task.count(s);
    run.weight.multiply(rows, previous, h, {run.bias, 0}, recurrent.get(), 3 * h);
    gru_gates_forward<T>({rows, h, run.input + first * 3 * h, recurrent.get(), previous,
                          run.kept + first * 4 * h, run.output + first * h});
    previous = run.output + first * h;
  }
  give_last(task, initial.get(), run.output, run.last, h);
}

template <class T>
void backward_task(const GruSequenceBackward<T>& run, const StepTask& task) {
  const std::int64_t h = run.hidden;
  const std::unique_ptr<T[]> initial = rows_of(task, run.initial, h);
  const std::unique_ptr<T[]> g = rows_of(task, run.by_last, h);
  for (std::int64_t s = task.time(); s-- > 0;) {
    const std::int64_t first = task.start(s), rows = task.count(s);
    if (run.by_output) {
      std::transform(g.get(), g.get() + rows * h, run.by_output + first * h, g.get(),
                     std::plus<T>());
    }
    T* const previous = run.previous + first * h;
    std::copy_n(s == 0 ? initial.get() : run.output + task.start(s - 1) * h, rows * h, previous);
    T* const by_recurrent = run.by_recurrent + first * 3 * h;
    gru_gates_backward<T>({rows, h, previous, run.kept + first * 4 * h,
                           run.by_input + first * 3 * h, by_recurrent, g.get()});
    run.weight.multiply(rows, by_recurrent, 3 * h, {g.get(), h}, g.get(), h);
  }
  give_rows(task, g.get(), run.by_initial, h);
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
  each_task(run.tasks, [&](const StepTask& task) { forward_task(run, task); });
}

template <class T>
void gru_sequence_backward(const GruSequenceBackward<T>& run) {
  each_task(run.tasks, [&](const StepTask& task) { backward_task(run, task); });
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
