#pragma once
// The long short-term memory unit over whole sequences. Shapes are in elements; h is the hidden
// size, gates are stacked i, f, g, o. Steps are counted as in gru.h.

#include <cstdint>

#include "autograd/kernels/packed.h"

namespace attune {

template <class T>
struct LstmSequenceForward {
  std::int64_t batch, time, hidden;
  bool reverse;
  const T* input;                 // [batch, time, 4 h]: W_i x + b_i
  const PackedMatrix<T>& weight;  // [h, 4 h]: W_h transposed
  const T* bias;                  // [4 h]
  const std::int64_t* lengths;    // [batch], or null
  T* states;  // [time + 1, batch, h]; states[0] holds the initial state on entry
  T* cells;   // [time + 1, batch, h]; likewise
  T* kept;    // [time, batch, 5 h]: i, f, g, o, tanh of the new cell
  T* output;  // [batch, time, h]
};
template <class T>
void lstm_sequence_forward(const LstmSequenceForward<T>& run);

template <class T>
struct LstmSequenceBackward {
  std::int64_t batch, time, hidden;
  bool reverse;
  const PackedMatrix<T>& weight;  // [4 h, h]
  const std::int64_t* lengths;
  const T* cells;
  const T* kept;
  const T* by_output;  // [batch, time, h], or null for zero
  T* by_state;         // [batch, h]: of the last state on entry, of the initial one on return
  T* by_cell;          // [batch, h]: likewise
  T* by_input;         // [batch, time, 4 h]
  T* by_gates;         // [time, batch, 4 h]: the same in the order of the steps
};
template <class T>
void lstm_sequence_backward(const LstmSequenceBackward<T>& run);

}  // namespace attune
