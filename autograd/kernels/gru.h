#pragma once
// The gated recurrent unit: the gates of one step, and whole sequences. Shapes are in elements; h
// is the hidden size, gates are stacked r, z, n.

#include <cstdint>

#include "autograd/kernels/packed.h"
#include "autograd/kernels/steps.h"

namespace attune {

// The gates of `rows` rows. kept [rows, 4 h] receives r, z, n and the recurrent part of n, which
// the backward pass needs.
template <class T>
struct GruGates {
  std::int64_t rows;
  std::int64_t hidden;
  const T* input;      // [rows, 3 h]: W_i x + b_i
  const T* recurrent;  // [rows, 3 h]: W_h h + b_h
  const T* previous;   // [rows, h]
  T* kept;             // [rows, 4 h]
  T* next;             // [rows, h]
};
template <class T>
void gru_gates_forward(const GruGates<T>& step);

// From the gradient of `next`, the gradients of the three inputs. by_previous [rows, h] holds the
// gradient of `next` on entry and the direct part (z times it) on return.
template <class T>
struct GruGatesBackward {
  std::int64_t rows;
  std::int64_t hidden;
  const T* previous;
  const T* kept;
  T* by_input;      // [rows, 3 h]
  T* by_recurrent;  // [rows, 3 h]
  T* by_previous;   // [rows, h]
};
template <class T>
void gru_gates_backward(const GruGatesBackward<T>& step);

// Whole sequences; `steps` stands for the number of all real steps.
template <class T>
struct GruSequenceForward {
  const std::vector<StepTask>& tasks;
  std::int64_t hidden;
  const T* input;                 // [steps, 3 h]: W_i x + b_i
  const PackedMatrix<T>& weight;  // [h, 3 h]: W_h transposed
  const T* bias;                  // [3 h]
  const T* initial;               // [batch, h]
  T* kept;                        // [steps, 4 h]
  T* output;                      // [steps, h]
  T* last;                        // [batch, h]
};
template <class T>
void gru_sequence_forward(const GruSequenceForward<T>& run);

template <class T>
struct GruSequenceBackward {
  const std::vector<StepTask>& tasks;
  std::int64_t hidden;
  const PackedMatrix<T>& weight;  // [3 h, h]
  const T* initial;
  const T* output;
  const T* kept;
  const T* by_output;  // [steps, h], or null for zero
  const T* by_last;    // [batch, h], or null for zero
  T* previous;         // [steps, h]: set to the state before each step
  T* by_input;         // [steps, 3 h]
  T* by_recurrent;     // [steps, 3 h]: of W_h h + b_h
  T* by_initial;       // [batch, h]
};
template <class T>
void gru_sequence_backward(const GruSequenceBackward<T>& run);

}  // namespace attune
