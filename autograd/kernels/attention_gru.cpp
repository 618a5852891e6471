#include "autograd/kernels/attention_gru.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>

#include "autograd/kernels/gru.h"
#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/math.h"

namespace attune {
namespace {

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

template <class T>
std::unique_ptr<T[]> scratch(std::size_t rows, std::int64_t size) {
  return std::make_unique<T[]>(rows * static_cast<std::size_t>(size));
}

template <class T>
void forward_task(const AttentionGruForward<T>& run, const StepTask& task) {
  const AttentionGruSizes& n = run.sizes;
  const std::int64_t h = n.hidden, a = n.attention, d = n.features;
  const std::unique_ptr<T[]> initial = rows_of(task, run.initial, h);
  const std::unique_ptr<T[]> input = scratch<T>(task.rows.size(), 3 * h);
  const std::unique_ptr<T[]> recurrent = scratch<T>(task.rows.size(), 3 * h);
  // The rows that are at work at a step were the first of those at work before it.
  const T* state = initial.get();
  for (std::int64_t s = 0; s < task.time(); ++s) {
    const std::int64_t first = task.start(s), rows = task.count(s);
    T* const queries = run.queries + first * a;
    T* const contexts = run.contexts + first * d;
    run.query_weight.multiply(rows, state, h, {}, queries, a);
    for (std::int64_t row = 0; row < rows; ++row) {
      const Look<T> look = look_of(n, run.keys, run.values, run.mask, run.v,
                                   task.rows[static_cast<std::size_t>(row)]);
      vectorised<LookForward<T>>(&look, queries + row * a, run.weights + (first + row) * n.source,
                                 contexts + row * d);
    }
    run.context_weight.multiply(rows, contexts, d, {run.input + first * 3 * h, 3 * h}, input.get(),
                                3 * h);
    run.weight.multiply(rows, state, h, {run.bias, 0}, recurrent.get(), 3 * h);
    gru_gates_forward<T>({rows, h, input.get(), recurrent.get(), state, run.kept + first * 4 * h,
                          run.output + first * h});
    state = run.output + first * h;
  }
}

template <class T>
void backward_task(const AttentionGruBackward<T>& run, const StepTask& task) {
  const AttentionGruSizes& n = run.sizes;
  const std::int64_t h = n.hidden, a = n.attention, d = n.features;
  const std::unique_ptr<T[]> initial = rows_of(task, run.initial, h);
  const std::unique_ptr<T[]> g = scratch<T>(task.rows.size(), h);
  const std::unique_ptr<T[]> by_contexts = scratch<T>(task.rows.size(), d);
  const std::unique_ptr<T[]> by_scores = scratch<T>(1, n.source);
  for (std::int64_t s = task.time(); s-- > 0;) {
    const std::int64_t first = task.start(s), rows = task.count(s);
    std::transform(g.get(), g.get() + rows * h, run.by_output + first * h, g.get(), std::plus<T>());
    T* const previous = run.previous + first * h;
    std::copy_n(s == 0 ? initial.get() : run.output + task.start(s - 1) * h, rows * h, previous);
    T* const by_input = run.by_input + first * 3 * h;
    T* const by_recurrent = run.by_recurrent + first * 3 * h;
    T* const by_queries = run.by_queries + first * a;
    gru_gates_backward<T>(
        {rows, h, previous, run.kept + first * 4 * h, by_input, by_recurrent, g.get()});
    run.context_weight.multiply(rows, by_input, 3 * h, {}, by_contexts.get(), d);
    run.weight.multiply(rows, by_recurrent, 3 * h, {g.get(), h}, g.get(), h);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t r = task.rows[static_cast<std::size_t>(row)];
      const Look<T> look = look_of<T>(n, run.keys, run.values, nullptr, run.v, r);
      const LookGradients<T> by{by_queries + row * a, run.by_keys + r * n.source * a,
                                run.by_values + r * n.source * d, run.by_v + r * a};
      vectorised<LookBackward<T>>(&look, run.queries + (first + row) * a,
                                  run.weights + (first + row) * n.source,
                                  by_contexts.get() + row * d, by_scores.get(), &by);
    }
    run.query_weight.multiply(rows, by_queries, a, {g.get(), h}, g.get(), h);
  }
  give_rows(task, g.get(), run.by_initial, h);
}

}  // namespace

template <class T>
void attention_gru_forward(const AttentionGruForward<T>& run) {
  each_task(run.tasks, [&](const StepTask& task) { forward_task(run, task); });
}

template <class T>
void attention_gru_backward(const AttentionGruBackward<T>& run) {
  each_task(run.tasks, [&](const StepTask& task) { backward_task(run, task); });
}

template void attention_gru_forward(const AttentionGruForward<float>&);
template void attention_gru_forward(const AttentionGruForward<double>&);
template void attention_gru_backward(const AttentionGruBackward<float>&);
template void attention_gru_backward(const AttentionGruBackward<double>&);

}  // namespace attune
