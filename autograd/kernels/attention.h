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

// Rows [heads, size], their beginnings `row` apart.
template <class T>
struct AttentionRows {
  const T* data;
  std::int64_t row;
};

// For every head: weights = softmax(scale q k^T), context = (factors * weights) v. A query that
// sees no key gets 0.
template <class T>
struct AttentionForward {
  AttentionShape shape;
  AttentionRows<T> queries, keys, values;
  const T* factors;  // as `weights`, or null for 1
  T* weights;
  T* context;  // without gaps
};
template <class T>
void attention_forward(const AttentionForward<T>& run);

template <class T>
struct AttentionBackward {
  AttentionShape shape;
  AttentionRows<T> queries, keys, values;
  const T* factors;
  const T* weights;
  const T* by_context;  // without gaps, as what follows
  T* by_queries;
  T* by_keys;
  T* by_values;
};
template <class T>
void attention_backward(const AttentionBackward<T>& run);

}  // namespace attune
