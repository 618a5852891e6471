#include "autograd/kernels/lstm.h"

#include <algorithm>
#include <functional>
#include <memory>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/math.h"

namespace attune {
namespace {

// One row of one step.
template <class T>
struct ForwardRow {
  static void run(std::int64_t h, const T* __restrict gates, const T* __restrict cell,
                  T* __restrict kept, T* __restrict next_cell, T* __restrict next) {
    for (std::int64_t j = 0; j < h; ++j) {
      const T i = sigmoid(gates[j]);
      const T f = sigmoid(gates[h + j]);
      const T g = tanh(gates[2 * h + j]);
      const T o = sigmoid(gates[3 * h + j]);
      const T c = f * cell[j] + i * g;
      const T squashed = tanh(c);
      kept[j] = i;
      kept[h + j] = f;
      kept[2 * h + j] = g;
      kept[3 * h + j] = o;
      kept[4 * h + j] = squashed;
      next_cell[j] = c;
      next[j] = o * squashed;
    }
  }
};

// by_state is consumed: what comes in through the product with the weight is added to zero.
template <class T>
struct BackwardRow {
  static void run(std::int64_t h, const T* __restrict cell, const T* __restrict kept,
                  T* __restrict by_gates, T* __restrict by_state, T* __restrict by_cell) {
    for (std::int64_t j = 0; j < h; ++j) {
      const T i = kept[j];
      const T f = kept[h + j];
      const T g = kept[2 * h + j];
      const T o = kept[3 * h + j];
      const T squashed = kept[4 * h + j];
      const T by_c = by_cell[j] + by_state[j] * o * (1 - squashed * squashed);
      by_gates[j] = by_c * g * i * (1 - i);
      by_gates[h + j] = by_c * cell[j] * f * (1 - f);
      by_gates[2 * h + j] = by_c * i * (1 - g * g);
      by_gates[3 * h + j] = by_state[j] * squashed * o * (1 - o);
      by_cell[j] = by_c * f;
      by_state[j] = 0;
    }
  }
};

template <class T>
void forward_task(const LstmSequenceForward<T>& run, const StepTask& task) {
  const std::int64_t h = run.hidden;
  const std::unique_ptr<T[]> initial = rows_of(task, run.initial, h);
  const std::unique_ptr<T[]> initial_cell = rows_of(task, run.initial_cell, h);
  const auto gates =
      std::make_unique_for_overwrite<T[]>(task.rows.size() * static_cast<std::size_t>(4 * h));
  // The rows that are at work at a step were the first of those at work before it.
  const T* state = initial.get();
  const T* cell = initial_cell.get();
  for (std::int64_t s = 0; s < task.time(); ++s) {
    const std::int64_t first = task.start(s), rows = task.count(s);
    for (std::int64_t row = 0; row < rows; ++row) {
      const T* const input = run.input + (first + row) * 4 * h;
      std::transform(input, input + 4 * h, run.bias, gates.get() + row * 4 * h, std::plus<T>());
    }
    run.weight.multiply(rows, state, h, {gates.get(), 4 * h}, gates.get(), 4 * h);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t at = first + row;
      vectorised<ForwardRow<T>>(h, gates.get() + row * 4 * h, cell + row * h, run.kept + at * 5 * h,
                                run.cells + at * h, run.output + at * h);
    }
    state = run.output + first * h;
    cell = run.cells + first * h;
  }
  give_last(task, initial.get(), run.output, run.last, h);
  give_last(task, initial_cell.get(), run.cells, run.last_cell, h);
}

template <class T>
void backward_task(const LstmSequenceBackward<T>& run, const StepTask& task) {
  const std::int64_t h = run.hidden;
  const std::unique_ptr<T[]> initial = rows_of(task, run.initial, h);
  const std::unique_ptr<T[]> initial_cell = rows_of(task, run.initial_cell, h);
  const std::unique_ptr<T[]> by_state = rows_of(task, run.by_last, h);
  const std::unique_ptr<T[]> by_cell = rows_of(task, run.by_last_cell, h);
  for (std::int64_t s = task.time(); s-- > 0;) {
    const std::int64_t first = task.start(s), rows = task.count(s);
    const std::int64_t before = s == 0 ? 0 : task.start(s - 1) * h;
    const T* const cell = s == 0 ? initial_cell.get() : run.cells + before;
    std::copy_n(s == 0 ? initial.get() : run.output + before, rows * h, run.previous + first * h);
    if (run.by_output) {
      std::transform(by_state.get(), by_state.get() + rows * h, run.by_output + first * h,
                     by_state.get(), std::plus<T>());
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      vectorised<BackwardRow<T>>(h, cell + row * h, run.kept + (first + row) * 5 * h,
                                 run.by_gates + (first + row) * 4 * h, by_state.get() + row * h,
                                 by_cell.get() + row * h);
    }
    run.weight.multiply(rows, run.by_gates + first * 4 * h, 4 * h, {by_state.get(), h},
                        by_state.get(), h);
  }
  give_rows(task, by_state.get(), run.by_initial, h);
  give_rows(task, by_cell.get(), run.by_initial_cell, h);
}

}  // namespace

template <class T>
void lstm_sequence_forward(const LstmSequenceForward<T>& run) {
  each_task(run.tasks, [&](const StepTask& task) { forward_task(run, task); });
}

template <class T>
void lstm_sequence_backward(const LstmSequenceBackward<T>& run) {
  each_task(run.tasks, [&](const StepTask& task) { backward_task(run, task); });
}

template void lstm_sequence_forward(const LstmSequenceForward<float>&);
template void lstm_sequence_forward(const LstmSequenceForward<double>&);
template void lstm_sequence_backward(const LstmSequenceBackward<float>&);
template void lstm_sequence_backward(const LstmSequenceBackward<double>&);

}  // namespace attune
