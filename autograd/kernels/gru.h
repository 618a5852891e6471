#pragma once
// The gated recurrent unit: the gates of one step, and whole sequences. Shapes are in elements; h
// is the hidden size, gates are stacked r, z, n.

#include <cstdint>

#include "autograd/kernels/packed.h"

namespace attune {

// The gates of `rows` rows. kept [rows, 4 h] receives r, z, n and the recurrent part of n, which
// the backward pass needs.
template <class T>
struct GruGates {
  std::int64_t rows;
  std::int64_t hidden;
  const T* input;  // [rows, 3 h]: W_i x + b_i, rows `input_stride` apart
  std::int64_t input_stride;
  const T* recurrent;  // [rows, 3 h]: W_h h + b_h
  const T* previous;   // [rows, h]
  const bool* active;  // [rows]: false keeps the previous state; null where all are true
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
  const bool* active;
  T* by_input;  // [rows, 3 h], rows `input_stride` apart
  std::int64_t input_stride;
  T* by_recurrent;  // [rows, 3 h]
  T* by_previous;   // [rows, h]
};
template <class T>
void gru_gates_backward(const GruGatesBackward<T>& step);

// A whole sequence. Steps are counted in the order in which they run: step s is time s, or
// time - 1 - s in reverse.
template <class T>
struct GruSequenceForward {
  std::int64_t batch, time, hidden;
  bool reverse;
  const T* input;                 // [batch, time, 3 h]: W_i x + b_i
  const PackedMatrix<T>& weight;  // [h, 3 h]: W_h transposed
  const T* bias;                  // [3 h]
  const std::int64_t* lengths;    // [batch], or null
  T* states;  // [time + 1, batch, h]; states[0] holds the initial state on entry
  T* kept;    // [time, batch, 4 h]
  T* output;  // [batch, time, h]
};
template <class T>
void gru_sequence_forward(const GruSequenceForward<T>& run);

template <class T>
struct GruSequenceBackward {
  std::int64_t batch, time, hidden;
  bool reverse;
  const PackedMatrix<T>& weight;  // [3 h, h]
  const std::int64_t* lengths;
  const T* states;
  const T* kept;
  const T* by_output;  // [batch, time, h], or null for zero
  T* by_state;         // [batch, h]: of the last state on entry, of the initial one on return
  T* by_input;         // [batch, time, 3 h]
  T* by_recurrent;     // [time, batch, 3 h]: of W_h h + b_h
};
template <class T>
void gru_sequence_backward(const GruSequenceBackward<T>& run);

}  // namespace attune
