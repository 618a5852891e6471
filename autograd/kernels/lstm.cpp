#include "autograd/kernels/lstm.h"

#include <algorithm>
#include <memory>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/math.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

// Rows of the batch that a thread runs through a whole sequence: no step waits for another thread.
constexpr std::int64_t rows_a_task = 32;

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
void forward_rows(const LstmSequenceForward<T>& run, std::int64_t begin, std::int64_t end) {
  const std::int64_t h = run.hidden;
  const std::int64_t rows = end - begin;
  const auto gates = std::make_unique<T[]>(static_cast<std::size_t>(rows * 4 * h));
  for (std::int64_t s = 0; s < run.time; ++s) {
    const std::int64_t t = run.reverse ? run.time - 1 - s : s;
    const std::int64_t here = (s * run.batch + begin) * h;
    const std::int64_t next = ((s + 1) * run.batch + begin) * h;
    for (std::int64_t row = 0; row < rows; ++row) {
      const T* const input = run.input + ((begin + row) * run.time + t) * 4 * h;
      std::transform(input, input + 4 * h, run.bias, gates.get() + row * 4 * h, std::plus<T>());
    }
    run.weight.multiply(rows, run.states + here, h, T{1}, gates.get(), 4 * h);
    for (std::int64_t row = 0; row < rows; ++row) {
      T* const state = run.states + next + row * h;
      T* const cell = run.cells + next + row * h;
      T* const output = run.output + ((begin + row) * run.time + t) * h;
      if (run.lengths && t >= run.lengths[begin + row]) {
        std::copy_n(run.states + here + row * h, h, state);
        std::copy_n(run.cells + here + row * h, h, cell);
        std::fill_n(output, h, T{0});
        continue;
      }
      vectorised<ForwardRow<T>>(h, gates.get() + row * 4 * h, run.cells + here + row * h,
                                run.kept + (s * run.batch + begin + row) * 5 * h, cell, state);
      std::copy_n(state, h, output);
    }
  }
}

template <class T>
void backward_rows(const LstmSequenceBackward<T>& run, std::int64_t begin, std::int64_t end) {
  const std::int64_t h = run.hidden;
  const std::int64_t rows = end - begin;
  T* const by_state = run.by_state + begin * h;
  for (std::int64_t s = run.time; s-- > 0;) {
    const std::int64_t t = run.reverse ? run.time - 1 - s : s;
    T* const by_gates = run.by_gates + (s * run.batch + begin) * 4 * h;
    for (std::int64_t row = 0; row < rows; ++row) {
      T* const of_row = by_gates + row * 4 * h;
      T* const by_input = run.by_input + ((begin + row) * run.time + t) * 4 * h;
      T* const g = by_state + row * h;
      if (run.lengths && t >= run.lengths[begin + row]) {
        std::fill_n(of_row, 4 * h, T{0});
        std::fill_n(by_input, 4 * h, T{0});
        continue;
      }
      if (run.by_output) {
        const T* const arriving = run.by_output + ((begin + row) * run.time + t) * h;
        std::transform(g, g + h, arriving, g, std::plus<T>());
      }
      vectorised<BackwardRow<T>>(h, run.cells + (s * run.batch + begin + row) * h,
                                 run.kept + (s * run.batch + begin + row) * 5 * h, of_row, g,
                                 run.by_cell + (begin + row) * h);
      std::copy_n(of_row, 4 * h, by_input);
    }
    run.weight.multiply(rows, by_gates, 4 * h, T{1}, by_state, h);
  }
}

}  // namespace

template <class T>
void lstm_sequence_forward(const LstmSequenceForward<T>& run) {
  parallel_for(run.batch, rows_a_task,
               [&](std::int64_t begin, std::int64_t end) { forward_rows(run, begin, end); });
}

template <class T>
void lstm_sequence_backward(const LstmSequenceBackward<T>& run) {
  parallel_for(run.batch, rows_a_task,
               [&](std::int64_t begin, std::int64_t end) { backward_rows(run, begin, end); });
}

template void lstm_sequence_forward(const LstmSequenceForward<float>&);
template void lstm_sequence_forward(const LstmSequenceForward<double>&);
template void lstm_sequence_backward(const LstmSequenceBackward<float>&);
template void lstm_sequence_backward(const LstmSequenceBackward<double>&);

}  // namespace attune
