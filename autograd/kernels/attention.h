#pragma once
// Attention by scaled dot products, of several heads, over sentences of different lengths that lie
// one after the other.

#include <cstdint>
#include <vector>

namespace attune {

// Where a sentence lies: its queries and its keys among all rows, its weights [heads, queries,
// keys] among all weights.
struct AttentionSentence {
  std::int64_t query, queries;
  std::int64_t key, keys;
  std::int64_t weight;
};

struct AttentionShape {
  const std::vector<AttentionSentence>& sentences;
  std::int64_t heads, size;  // rows are [heads, size]
  double scale;
  bool causal;  // the last query stands beside the last key, and no query sees a later key
};

// For every head: weights = softmax(scale q k^T), context = (factors * weights) v. A query that
// sees no key gets 0.
template <class T>
struct AttentionForward {
  AttentionShape shape;
  const T* queries;
  const T* keys;
  const T* values;
  const T* factors;  // as `weights`, or null for 1
  T* weights;
  T* context;
};
template <class T>
void attention_forward(const AttentionForward<T>& run);

template <class T>
struct AttentionBackward {
  AttentionShape shape;
  const T* queries;
  const T* keys;
  const T* values;
  const T* factors;
  const T* weights;
  const T* by_context;
  T* by_queries;
  T* by_keys;
  T* by_values;
};
template <class T>
void attention_backward(const AttentionBackward<T>& run);

}  // namespace attune
