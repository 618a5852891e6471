#pragma once
// A GRU that looks at a memory before every step, over whole sequences: the decoder of Bahdanau,
// Cho & Bengio (2015). h is the hidden size, a the size of the score's hidden layer, d the features
// of a value; `steps` stands for the number of all real steps (steps.h).

#include <cstdint>
#include <vector>

#include "autograd/kernels/packed.h"
#include "autograd/kernels/steps.h"

namespace attune {

// `source` is the most places that a row of the batch may look at.
struct AttentionGruSizes {
  std::int64_t source, hidden, attention, features;
};

// Which of the `places` of all sources are those of one row of the batch, and whether it may look
// at the powers of its keys.
struct MemoryRow {
  std::int64_t begin, count;
  bool by_powers;
};

// The keys, and what a look at them takes half the time with: e^2k.
template <class T>
struct AttentionKeys {
  const T* keys;    // [places, a]
  const T* powers;  // likewise
};
// Finds those for keys [places, size], and for each place whether none is zero or infinite.
template <class T>
void find_powers(std::int64_t places, std::int64_t size, const T* keys, T* powers, bool* possible);

template <class T>
struct AttentionGruForward {
  const std::vector<StepTask>& tasks;
  AttentionGruSizes sizes;
  const std::vector<MemoryRow>& memory;  // [batch]
  const T* input;    // [steps, 3 h]: what the step's own input gives to the gates
  const T* initial;  // [batch, h]
  AttentionKeys<T> keys;
  const T* values;                        // [places, d]
  const bool* mask;                       // [places], true where not to look; or null
  const PackedMatrix<T>& query_weight;    // [h, a]: the weights are transposed
  const T* v;                             // [a]
  const PackedMatrix<T>* context_weight;  // [d, 3 h]; null if d is 3 h and it is the identity
  const PackedMatrix<T>& weight;          // [h, 3 h]
  const T* bias;                          // [3 h]
  T* queries;                             // [steps, a]
  T* weights;                             // [steps, source]; 0 past a row's places
  T* contexts;                            // [steps, d]
  T* kept;                                // [steps, 4 h], as in gru.h
  T* output;                              // [steps, h]
};
template <class T>
void attention_gru_forward(const AttentionGruForward<T>& run);

// Gradients of the weights are left to products over all steps at once, of by_input, by_recurrent
// and by_queries.
template <class T>
struct AttentionGruBackward {
  const std::vector<StepTask>& tasks;
  AttentionGruSizes sizes;
  const std::vector<MemoryRow>& memory;  // [batch]
  AttentionKeys<T> keys;
  const T* values;
  const PackedMatrix<T>& query_weight;  // [a, h]
  const T* v;
  const PackedMatrix<T>* context_weight;  // [3 h, d]; null as above
  const PackedMatrix<T>& weight;          // [3 h, h]
  const T* initial;
  const T* queries;
  const T* weights;
  const T* kept;
  const T* output;
  const T* by_output;  // [steps, h]
  T* previous;         // [steps, h]: set to the state before each step
  T* by_initial;       // [batch, h]
  T* by_input;         // [steps, 3 h]
  T* by_recurrent;     // [steps, 3 h]
  T* by_queries;       // [steps, a]
  T* by_contexts;      // [steps, d]: scratch
  T* by_keys;          // [places, a]
  T* by_values;        // [places, d]
  T* by_v;             // [batch, a]
};
template <class T>
void attention_gru_backward(const AttentionGruBackward<T>& run);

}  // namespace attune
