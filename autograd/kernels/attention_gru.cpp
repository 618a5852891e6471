#include "autograd/kernels/attention_gru.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "autograd/kernels/gru.h"
#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/math.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

// Rows of the batch that a thread runs through a whole sequence: no step waits for another thread.
constexpr std::int64_t rows_a_task = 32;

// One row's look at its memory.
template <class T>
struct Look {
  std::int64_t source, attention, features;
  const T* keys;     // [source, a]
  const T* values;   // [source, d]
  const bool* mask;  // [source], or null
  const T* v;
};

// Scores v . tanh(q + k), their softmax, and the mean of the values by it. A row that may look
// nowhere sees zero.
template <class T>
struct LookForward {
  static void run(const Look<T>* look, const T* __restrict q, T* __restrict weights,
                  T* __restrict context) {
    const std::int64_t a = look->attention, d = look->features;
    const T* __restrict const v = look->v;
    T highest = -std::numeric_limits<T>::infinity();
    for (std::int64_t j = 0; j < look->source; ++j) {
      if (look->mask && look->mask[j]) continue;
      const T* __restrict const k = look->keys + j * a;
      weights[j] = sum_of<T>(a, [=](std::int64_t i) { return v[i] * tanh(q[i] + k[i]); });
      highest = std::max(highest, weights[j]);
    }
    T total = 0;
    for (std::int64_t j = 0; j < look->source; ++j) {
      weights[j] = look->mask && look->mask[j] ? T{0} : exp(weights[j] - highest);
      total += weights[j];
    }
    std::fill_n(context, d, T{0});
    for (std::int64_t j = 0; j < look->source; ++j) {
      if (weights[j] == 0) continue;
      weights[j] /= total;
      const T weight = weights[j];
      const T* __restrict const value = look->values + j * d;
      for (std::int64_t i = 0; i < d; ++i) context[i] += weight * value[i];
    }
  }
};

template <class T>
struct LookGradients {
  T* by_query;   // [a]: set
  T* by_keys;    // [source, a]: added to
  T* by_values;  // [source, d]: added to
  T* by_v;       // [a]: added to
};

template <class T>
struct LookBackward {
  // `by_scores` [source] is scratch.
  static void run(const Look<T>* look, const T* __restrict q, const T* __restrict weights,
                  const T* __restrict by_context, T* __restrict by_scores,
                  const LookGradients<T>* by) {
    const std::int64_t d = look->features;
    T mean = 0;
    for (std::int64_t j = 0; j < look->source; ++j) {
      const T weight = weights[j];
      if (weight == 0) continue;
      const T* __restrict const value = look->values + j * d;
      T* __restrict const by_value = by->by_values + j * d;
      by_scores[j] = sum_of<T>(d, [=](std::int64_t i) { return by_context[i] * value[i]; });
      mean += weight * by_scores[j];
      for (std::int64_t i = 0; i < d; ++i) by_value[i] += weight * by_context[i];
    }
    std::fill_n(by->by_query, look->attention, T{0});
    for (std::int64_t j = 0; j < look->source; ++j) {
      if (weights[j] == 0) continue;
      score(look->attention, weights[j] * (by_scores[j] - mean), q,
            look->keys + j * look->attention, look->v, by->by_query,
            by->by_keys + j * look->attention, by->by_v);
    }
  }

  // The gradients of v . tanh(q + k) times g.
  static void score(std::int64_t a, T g, const T* __restrict q, const T* __restrict k,
                    const T* __restrict v, T* __restrict by_query, T* __restrict by_key,
                    T* __restrict by_v) {
    for (std::int64_t i = 0; i < a; ++i) {
      const T u = tanh(q[i] + k[i]);
      const T by_sum = g * v[i] * (1 - u * u);
      by_v[i] += g * u;
      by_query[i] += by_sum;
      by_key[i] += by_sum;
    }
  }
};

template <class T>
Look<T> look_of(const AttentionGruSizes& n, const T* keys, const T* values, const bool* mask,
                const T* v, std::int64_t row) {
  return {n.source,
          n.attention,
          n.features,
          keys + row * n.source * n.attention,
          values + row * n.source * n.features,
          mask ? mask + row * n.source : nullptr,
          v};
}

// Where row `begin` of step t lies in [time, batch, size].
std::int64_t at(const AttentionGruSizes& n, std::int64_t t, std::int64_t begin, std::int64_t size) {
  return (t * n.batch + begin) * size;
}

template <class T>
void forward_rows(const AttentionGruForward<T>& run, std::int64_t begin, std::int64_t end) {
  const AttentionGruSizes& n = run.sizes;
  const std::int64_t h = n.hidden, a = n.attention, d = n.features;
  const std::int64_t rows = end - begin;
  const auto input = std::make_unique<T[]>(static_cast<std::size_t>(rows * 3 * h));
  const auto recurrent = std::make_unique<T[]>(static_cast<std::size_t>(rows * 3 * h));
  for (std::int64_t t = 0; t < n.time; ++t) {
    const T* const state = run.states + at(n, t, begin, h);
    T* const next = run.states + at(n, t + 1, begin, h);
    T* const queries = run.queries + at(n, t, begin, a);
    T* const contexts = run.contexts + at(n, t, begin, d);
    run.query_weight.multiply(rows, state, h, T{0}, queries, a);
    for (std::int64_t row = 0; row < rows; ++row) {
      const Look<T> look = look_of(n, run.keys, run.values, run.mask, run.v, begin + row);
      vectorised<LookForward<T>>(&look, queries + row * a,
                                 run.weights + at(n, t, begin + row, n.source), contexts + row * d);
      std::copy_n(run.input + ((begin + row) * n.time + t) * 3 * h, 3 * h,
                  input.get() + row * 3 * h);
      std::copy_n(run.bias, 3 * h, recurrent.get() + row * 3 * h);
    }
    run.context_weight.multiply(rows, contexts, d, T{1}, input.get(), 3 * h);
    run.weight.multiply(rows, state, h, T{1}, recurrent.get(), 3 * h);
    gru_gates_forward<T>({rows, h, input.get(), 3 * h, recurrent.get(), state, nullptr,
                          run.kept + at(n, t, begin, 4 * h), next});
    for (std::int64_t row = 0; row < rows; ++row) {
      std::copy_n(next + row * h, h, run.output + ((begin + row) * n.time + t) * h);
    }
  }
}

template <class T>
void backward_rows(const AttentionGruBackward<T>& run, std::int64_t begin, std::int64_t end) {
  const AttentionGruSizes& n = run.sizes;
  const std::int64_t h = n.hidden, a = n.attention, d = n.features;
  const std::int64_t rows = end - begin;
  const auto by_contexts = std::make_unique<T[]>(static_cast<std::size_t>(rows * d));
  const auto by_scores = std::make_unique<T[]>(static_cast<std::size_t>(n.source));
  T* const g = run.by_state + begin * h;
  for (std::int64_t t = n.time; t-- > 0;) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const T* const arriving = run.by_output + ((begin + row) * n.time + t) * h;
      for (std::int64_t i = 0; i < h; ++i) g[row * h + i] += arriving[i];
    }
    T* const by_gates = run.by_gates + at(n, t, begin, 3 * h);
    T* const by_recurrent = run.by_recurrent + at(n, t, begin, 3 * h);
    T* const by_queries = run.by_queries + at(n, t, begin, a);
    gru_gates_backward<T>({rows, h, run.states + at(n, t, begin, h),
                           run.kept + at(n, t, begin, 4 * h), nullptr, by_gates, 3 * h,
                           by_recurrent, g});
    run.context_weight.multiply(rows, by_gates, 3 * h, T{0}, by_contexts.get(), d);
    run.weight.multiply(rows, by_recurrent, 3 * h, T{1}, g, h);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t r = begin + row;
      const Look<T> look = look_of<T>(n, run.keys, run.values, nullptr, run.v, r);
      const LookGradients<T> by{by_queries + row * a, run.by_keys + r * n.source * a,
                                run.by_values + r * n.source * d, run.by_v + r * a};
      vectorised<LookBackward<T>>(&look, run.queries + at(n, t, r, a),
                                  run.weights + at(n, t, r, n.source), by_contexts.get() + row * d,
                                  by_scores.get(), &by);
      std::copy_n(by_gates + row * 3 * h, 3 * h, run.by_input + (r * n.time + t) * 3 * h);
    }
    run.query_weight.multiply(rows, by_queries, a, T{1}, g, h);
  }
}

}  // namespace

template <class T>
void attention_gru_forward(const AttentionGruForward<T>& run) {
  parallel_for(run.sizes.batch, rows_a_task,
               [&](std::int64_t begin, std::int64_t end) { forward_rows(run, begin, end); });
}

template <class T>
void attention_gru_backward(const AttentionGruBackward<T>& run) {
  parallel_for(run.sizes.batch, rows_a_task,
               [&](std::int64_t begin, std::int64_t end) { backward_rows(run, begin, end); });
}

template void attention_gru_forward(const AttentionGruForward<float>&);
template void attention_gru_forward(const AttentionGruForward<double>&);
template void attention_gru_backward(const AttentionGruBackward<float>&);
template void attention_gru_backward(const AttentionGruBackward<double>&);

}  // namespace attune
