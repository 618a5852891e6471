#pragma once
// A GRU that looks at a memory before every step, over whole sequences: the decoder of Bahdanau,
// Cho & Bengio (2015). h is the hidden size, a the size of the score's hidden layer, d the features
// of a value.

#include <cstdint>

#include "autograd/kernels/packed.h"

namespace attune {

struct AttentionGruSizes {
  std::int64_t batch, time, source, hidden, attention, features;
};

template <class T>
struct AttentionGruForward {
  AttentionGruSizes sizes;
  const T* input;    // [batch, time, 3 h]: what the step's own input gives to the gates
  const T* keys;     // [batch, source, a]
  const T* values;   // [batch, source, d]
  const bool* mask;  // [batch, source], true where not to look; or null
  const PackedMatrix<T>& query_weight;    // [h, a]: the weights are transposed
  const T* v;                             // [a]
  const PackedMatrix<T>& context_weight;  // [d, 3 h]
  const PackedMatrix<T>& weight;          // [h, 3 h]
  const T* bias;                          // [3 h]
  T* states;    // [time + 1, batch, h]; states[0] holds the initial state on entry
  T* queries;   // [time, batch, a]
  T* weights;   // [time, batch, source]
  T* contexts;  // [time, batch, d]
  T* kept;      // [time, batch, 4 h], as in gru.h
  T* output;    // [batch, time, h]
};
template <class T>
void attention_gru_forward(const AttentionGruForward<T>& run);

// by_keys, by_values and by_v are zero on entry. Gradients of the weights are left to products over
// all steps at once, of by_gates, by_recurrent and by_queries.
template <class T>
struct AttentionGruBackward {
  AttentionGruSizes sizes;
  const T* keys;
  const T* values;
  const PackedMatrix<T>& query_weight;  // [a, h]
  const T* v;
  const PackedMatrix<T>& context_weight;  // [3 h, d]
  const PackedMatrix<T>& weight;          // [3 h, h]
  const T* states;
  const T* queries;
  const T* weights;
  const T* kept;
  const T* by_output;  // [batch, time, h]
  T* by_state;         // [batch, h]: zero on entry, of the initial state on return
  T* by_input;         // [batch, time, 3 h]
  T* by_gates;         // [time, batch, 3 h]: the same in the order of the steps
  T* by_recurrent;     // [time, batch, 3 h]
  T* by_queries;       // [time, batch, a]
  T* by_keys;          // [batch, source, a]
  T* by_values;        // [batch, source, d]
  T* by_v;             // [batch, a]
};
template <class T>
void attention_gru_backward(const AttentionGruBackward<T>& run);

}  // namespace attune
