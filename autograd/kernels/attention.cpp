#include "autograd/kernels/attention.h"

#include <algorithm>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/math.h"
#include "autograd/kernels/packed.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

// Heads of a sentence that a thread takes together.
constexpr std::int64_t heads_a_task = 4;

// The weights [queries, keys] of one head and what stands beside them.
template <class T>
struct Weights {
  std::int64_t queries, keys;
  T scale;
  bool causal;
  const T* factors;  // or null

  // How many keys query i sees.
  std::int64_t seen_by(std::int64_t i) const {
    return causal ? std::max<std::int64_t>(0, keys - queries + i + 1) : keys;
  }
};

// Scores become weights, and what the values are summed with.
template <class T>
struct SoftmaxRows {
  static void run(const Weights<T>* x, const T* scores, T* weights, T* shares) {
    for (std::int64_t i = 0; i < x->queries; ++i) {
      const std::int64_t row = i * x->keys, n = x->seen_by(i);
      softmax(n, x->scale, scores + row, weights + row);
      std::fill(weights + row + n, weights + row + x->keys, T{0});
      share(x->keys, weights + row, x->factors ? x->factors + row : nullptr, shares + row);
    }
  }

  static void softmax(std::int64_t n, T scale, const T* __restrict scores, T* __restrict weights) {
    if (n == 0) return;
    T highest = scores[0];
    for (std::int64_t j = 1; j < n; ++j) highest = std::max(highest, scores[j]);
    for (std::int64_t j = 0; j < n; ++j) weights[j] = exp(scale * (scores[j] - highest));
    const T one = 1 / sum_of<T>(n, [weights](std::int64_t j) { return weights[j]; });
    for (std::int64_t j = 0; j < n; ++j) weights[j] *= one;
  }

  static void share(std::int64_t n, const T* __restrict weights, const T* __restrict factors,
                    T* __restrict shares) {
    for (std::int64_t j = 0; j < n; ++j) shares[j] = factors ? weights[j] * factors[j] : weights[j];
  }
};

// From by_shares, the gradient of the shares, that of q k^T in its place; and both matrices that
// keys and values are multiplied by, transposed.
template <class T>
struct SoftmaxRowsBackward {
  static void run(const Weights<T>* x, const T* weights, T* by_shares, T* scores_across,
                  T* shares_across) {
    for (std::int64_t i = 0; i < x->queries; ++i) {
      const std::int64_t row = i * x->keys;
      const T* const factors = x->factors ? x->factors + row : nullptr;
      one_row(x->keys, x->scale, weights + row, factors, by_shares + row);
      for (std::int64_t j = 0; j < x->keys; ++j) {
        scores_across[j * x->queries + i] = by_shares[row + j];
        shares_across[j * x->queries + i] = weights[row + j] * (factors ? factors[j] : T{1});
      }
    }
  }

  static void one_row(std::int64_t n, T scale, const T* __restrict weights,
                      const T* __restrict factors, T* __restrict by) {
    for (std::int64_t j = 0; factors && j < n; ++j) by[j] *= factors[j];
    const T mean = sum_of<T>(n, [=](std::int64_t j) { return weights[j] * by[j]; });
    for (std::int64_t j = 0; j < n; ++j) by[j] = scale * weights[j] * (by[j] - mean);
  }
};

template <class T>
Weights<T> weights_of(const AttentionShape& shape, const AttentionSentence& at, const T* factors) {
  return {at.queries, at.keys, static_cast<T>(shape.scale), shape.causal, factors};
}

// Calls f(sentence, head) for all heads of all sentences, on all threads.
template <class F>
void each_head(const AttentionShape& shape, const F& f) {
  const std::int64_t count = static_cast<std::int64_t>(shape.sentences.size()) * shape.heads;
  parallel_for(count, heads_a_task, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      f(shape.sentences[static_cast<std::size_t>(i / shape.heads)], i % shape.heads);
    }
  });
}

// Room that a thread keeps for so many numbers.
template <class T>
T* scratch(std::int64_t count) {
  thread_local std::vector<T> room;
  room.resize(std::max(room.size(), static_cast<std::size_t>(count)));
  return room.data();
}

// The part of a head in the rows from `first` on.
template <class T>
AttentionRows<T> part_of(AttentionRows<T> rows, const AttentionShape& shape, std::int64_t first,
                         std::int64_t head) {
  return {rows.data + first * rows.row + head * shape.size, rows.row};
}

// The part of a head in rows without gaps.
template <class T>
T* part_of(T* rows, const AttentionShape& shape, std::int64_t first, std::int64_t head) {
  return rows + (first * shape.heads + head) * shape.size;
}

template <class T>
void forward_head(const AttentionForward<T>& run, const AttentionSentence& at, std::int64_t head) {
  const std::int64_t size = run.shape.size, row = run.shape.heads * size;
  const std::int64_t all = at.queries * at.keys, weight = at.weight + head * all;
  const AttentionRows<T> queries = part_of(run.queries, run.shape, at.query, head);
  const AttentionRows<T> keys = part_of(run.keys, run.shape, at.key, head);
  const AttentionRows<T> values = part_of(run.values, run.shape, at.key, head);
  T* const scores = scratch<T>(2 * all);
  T* const shares = scores + all;
  const PackedMatrix<T> to_keys(size, at.keys, {keys.data, 1, keys.row});
  to_keys.multiply(at.queries, queries.data, queries.row, {}, scores, at.keys);
  const Weights<T> weights =
      weights_of(run.shape, at, run.factors ? run.factors + weight : nullptr);
  vectorised<SoftmaxRows<T>>(&weights, scores, run.weights + weight, shares);
  const PackedMatrix<T> of_values(at.keys, size, {values.data, values.row, 1});
  of_values.multiply(at.queries, shares, at.keys, {},
                     part_of(run.context, run.shape, at.query, head), row);
}

template <class T>
void backward_head(const AttentionBackward<T>& run, const AttentionSentence& at,
                   std::int64_t head) {
  const std::int64_t size = run.shape.size, row = run.shape.heads * size;
  const std::int64_t all = at.queries * at.keys, weight = at.weight + head * all;
  const AttentionRows<T> queries = part_of(run.queries, run.shape, at.query, head);
  const AttentionRows<T> keys = part_of(run.keys, run.shape, at.key, head);
  const AttentionRows<T> values = part_of(run.values, run.shape, at.key, head);
  const T* const by_context = part_of(run.by_context, run.shape, at.query, head);
  T* const by_scores = scratch<T>(3 * all);
  T* const scores_across = by_scores + all;
  T* const shares_across = scores_across + all;
  const PackedMatrix<T> to_values(size, at.keys, {values.data, 1, values.row});
  to_values.multiply(at.queries, by_context, row, {}, by_scores, at.keys);
  const Weights<T> weights =
      weights_of(run.shape, at, run.factors ? run.factors + weight : nullptr);
  vectorised<SoftmaxRowsBackward<T>>(&weights, run.weights + weight, by_scores, scores_across,
                                     shares_across);
  const PackedMatrix<T> of_keys(at.keys, size, {keys.data, keys.row, 1});
  of_keys.multiply(at.queries, by_scores, at.keys, {},
                   part_of(run.by_queries, run.shape, at.query, head), row);
  const PackedMatrix<T> of_queries(at.queries, size, {queries.data, queries.row, 1});
  of_queries.multiply(at.keys, scores_across, at.queries, {},
                      part_of(run.by_keys, run.shape, at.key, head), row);
  const PackedMatrix<T> of_context(at.queries, size, {by_context, row, 1});
  of_context.multiply(at.keys, shares_across, at.queries, {},
                      part_of(run.by_values, run.shape, at.key, head), row);
}

}  // namespace

template <class T>
void attention_forward(const AttentionForward<T>& run) {
  each_head(run.shape,
            [&](const AttentionSentence& at, std::int64_t head) { forward_head(run, at, head); });
}

template <class T>
void attention_backward(const AttentionBackward<T>& run) {
  each_head(run.shape,
            [&](const AttentionSentence& at, std::int64_t head) { backward_head(run, at, head); });
}

template void attention_forward(const AttentionForward<float>&);
template void attention_forward(const AttentionForward<double>&);
template void attention_backward(const AttentionBackward<float>&);
template void attention_backward(const AttentionBackward<double>&);

}  // namespace attune
