#pragma once
// The long short-term memory unit over whole sequences. Shapes are in elements; h is the hidden
// size, gates are stacked i, f, g, o; `steps` stands for the number of all real steps (steps.h).

#include <cstdint>

#include "autograd/kernels/packed.h"
#include "autograd/kernels/steps.h"

namespace attune {

template <class T>
struct LstmSequenceForward {
  const std::vector<StepTask>& tasks;
  std::int64_t hidden;
  const T* input;                 // [steps, 4 h]: W_i x + b_i
  const PackedMatrix<T>& weight;  // [h, 4 h]: W_h transposed
  const T* bias;                  // [4 h]
  const T* initial;               // [batch, h]
  const T* initial_cell;          // [batch, h]
  T* kept;                        // [steps, 5 h]: i, f, g, o, tanh of the new cell
  T* cells;                       // [steps, h]: after each step
  T* output;                      // [steps, h]
  T* last;                        // [batch, h]
  T* last_cell;                   // [batch, h]
};
template <class T>
void lstm_sequence_forward(const LstmSequenceForward<T>& run);

template <class T>
struct LstmSequenceBackward {
  const std::vector<StepTask>& tasks;
  std::int64_t hidden;
  const PackedMatrix<T>& weight;  // [4 h, h]
  const T* initial;
  const T* initial_cell;
  const T* output;
  const T* cells;
  const T* kept;
  const T* by_output;     // [steps, h], or null for zero
  const T* by_last;       // [batch, h], or null for zero
  const T* by_last_cell;  // likewise
  T* previous;            // [steps, h]: set to the state before each step
  T* by_gates;            // [steps, 4 h]
  T* by_initial;          // [batch, h]
  T* by_initial_cell;     // [batch, h]
};
template <class T>
void lstm_sequence_backward(const LstmSequenceBackward<T>& run);

}  // namespace attune
