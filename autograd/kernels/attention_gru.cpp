#include "autograd/kernels/attention_gru.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>

#include "autograd/kernels/gru.h"
#include "autograd/kernels/isa.h"
#include "autograd/kernels/lanes.h"
#include "autograd/kernels/math.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t places_a_chunk = 128;

// The hidden layer of the score, tanh(q + k): of q and k, or, in half the time, of e^2q and e^2k.
struct OfSums {
  template <class T>
  static T hidden(T q, T k) {
    return tanh(q + k);
  }
};
struct OfPowers {
  template <class T>
  static T hidden(T q, T k) {
    return 1 - 2 / (1 + q * k);
  }
};

// The powers of numbers up to this size are neither zero nor infinite, and a product of two that is
// has the right hidden unit.
template <class T>
constexpr T largest_for_powers = sizeof(T) == sizeof(float) ? T(43) : T(350);

// Sets `powers` to e^2x and returns in `possible` whether no x is too large for that.
template <class T>
struct Powers {
  static void run(std::int64_t n, const T* __restrict x, T* __restrict powers, bool* possible) {
    int beyond = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      powers[i] = exp(2 * x[i]);
      beyond |= std::abs(x[i]) <= largest_for_powers<T> ? 0 : 1;
    }
    *possible = beyond == 0;
  }
};

// One row's look at its memory.
template <class T>
struct Look {
  std::int64_t source, attention, features;
  const T* keys;     // [source, a], or their powers
  const T* values;   // [source, d]
  const bool* mask;  // [source], or null
  const T* v;
};

// Scores v . tanh(q + k), their softmax, and the mean of the values by it. A row that may look
// nowhere sees zero.
template <class T, class Of>
struct LookForward {
  static void run(const Look<T>* look, const T* __restrict q, T* __restrict weights,
                  T* __restrict context) {
    const std::int64_t a = look->attention, d = look->features;
    const T* __restrict const v = look->v;
    constexpr T nowhere = -std::numeric_limits<T>::infinity();
    T highest = nowhere;
    bool looks = false;
    for (std::int64_t j = 0; j < look->source; ++j) {
      weights[j] = nowhere;
      if (look->mask && look->mask[j]) continue;
      looks = true;
      const T* __restrict const k = look->keys + j * a;
      weights[j] = sum_of<T>(a, [=](std::int64_t i) { return v[i] * Of::hidden(q[i], k[i]); });
      highest = std::max(highest, weights[j]);
    }
    std::fill_n(context, d, T{0});
    if (!looks) {
      std::fill_n(weights, look->source, T{0});
      return;
    }
    for (std::int64_t j = 0; j < look->source; ++j) weights[j] = exp(weights[j] - highest);
    const T one = 1 / sum_of<T>(look->source, [=](std::int64_t j) { return weights[j]; });
    for (std::int64_t j = 0; j < look->source; ++j) weights[j] *= one;
    for (std::int64_t j = 0; j < look->source; ++j) {
      if (weights[j] == 0) continue;
      const T weight = weights[j];
      const T* __restrict const value = look->values + j * d;
      for (std::int64_t i = 0; i < d; ++i) context[i] += weight * value[i];
    }
  }
};

template <class T>
struct LookGradients {
  T* by_query;  // [a]: set
  T* by_keys;   // [source, a]: added to
  T* by_v;      // [a]: added to
};

// All but the gradients of the values.
template <class T, class Of>
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
      by_scores[j] = sum_of<T>(d, [=](std::int64_t i) { return by_context[i] * value[i]; });
      mean += weight * by_scores[j];
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
      const T u = Of::hidden(q[i], k[i]);
      const T by_sum = g * v[i] * (1 - u * u);
      by_v[i] += g * u;
      by_query[i] += by_sum;
      by_key[i] += by_sum;
    }
  }
};

// The gradients of a row's values: the sum, over its steps, of each weight times the gradient of
// what it was the weight of. Made when all steps have theirs, it finds in the cache what, added to
// at every look, would not fit there.
template <class T>
struct ByValues {
  // by_values [count, d].
  static void run(const StepTask* task, std::size_t row, std::int64_t count,
                  const AttentionGruSizes* n, const T* weights, const T* by_contexts,
                  T* by_values) {
    const std::int64_t d = n->features;
    for (std::int64_t j = 0; j < count; ++j) {
      T* __restrict const by_value = by_values + j * d;
      std::fill_n(by_value, d, T{0});
      for (std::int64_t s = task->lengths[row]; s-- > 0;) {
        const std::int64_t step = task->start(s) + static_cast<std::int64_t>(row);
        const T weight = weights[step * n->source + j];
        if (weight == 0) continue;
        const T* __restrict const by_context = by_contexts + step * d;
        for (std::int64_t i = 0; i < d; ++i) by_value[i] += weight * by_context[i];
      }
    }
  }
};

template <class T>
std::unique_ptr<T[]> scratch(std::size_t rows, std::int64_t size) {
  return std::make_unique_for_overwrite<T[]>(rows * static_cast<std::size_t>(size));
}

// Which a look is to read: keys and queries, or their powers.
template <class T>
class Looks {
 public:
  Looks(std::int64_t attention, const AttentionKeys<T>& keys)
      : attention_(attention), keys_(keys), query_powers_(scratch<T>(1, attention)) {}

  // Calls f(what the hidden layer is of, keys, query) for a query [attention] of a row.
  template <class F>
  void with(const MemoryRow& row, const T* query, const F& f) const {
    const std::int64_t first = row.begin * attention_;
    bool possible = row.by_powers;
    if (possible) vectorised<Powers<T>>(attention_, query, query_powers_.get(), &possible);
    if (possible) {
      f(OfPowers(), keys_.powers + first, query_powers_.get());
    } else {
      f(OfSums(), keys_.keys + first, query);
    }
  }

 private:
  std::int64_t attention_;
  AttentionKeys<T> keys_;
  std::unique_ptr<T[]> query_powers_;
};

template <class T>
void forward_task(const AttentionGruForward<T>& run, const StepTask& task) {
  const AttentionGruSizes& n = run.sizes;
  const std::int64_t h = n.hidden, a = n.attention, d = n.features;
  const std::unique_ptr<T[]> initial = rows_of(task, run.initial, h);
  const std::unique_ptr<T[]> input = scratch<T>(task.rows.size(), 3 * h);
  const std::unique_ptr<T[]> recurrent = scratch<T>(task.rows.size(), 3 * h);
  const Looks<T> looks(a, run.keys);
  // The rows that are at work at a step were the first of those at work before it.
  const T* state = initial.get();
  for (std::int64_t s = 0; s < task.time(); ++s) {
    const std::int64_t first = task.start(s), rows = task.count(s);
    T* const queries = run.queries + first * a;
    T* const contexts = run.contexts + first * d;
    run.query_weight.multiply(rows, state, h, {}, queries, a);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t r = task.rows[static_cast<std::size_t>(row)];
      const MemoryRow& places = run.memory[static_cast<std::size_t>(r)];
      const bool* const mask = run.mask ? run.mask + places.begin : nullptr;
      T* const weights = run.weights + (first + row) * n.source;
      looks.with(places, queries + row * a, [&]<class Of>(Of, const T* of_row, const T* query) {
        const Look<T> look{places.count, a, d, of_row, run.values + places.begin * d, mask, run.v};
        vectorised<LookForward<T, Of>>(&look, query, weights, contexts + row * d);
      });
      std::fill(weights + places.count, weights + n.source, T{0});
    }
    const T* const own = run.input + first * 3 * h;
    if (run.context_weight) {
      run.context_weight->multiply(rows, contexts, d, {own, 3 * h}, input.get(), 3 * h);
    } else {
      std::transform(own, own + rows * 3 * h, contexts, input.get(), std::plus<T>());
    }
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
  const std::unique_ptr<T[]> g = rows_of<T>(task, nullptr, h);
  const std::unique_ptr<T[]> by_scores = scratch<T>(1, n.source);
  const Looks<T> looks(a, run.keys);
  for (const std::int64_t r : task.rows) {
    const MemoryRow& places = run.memory[static_cast<std::size_t>(r)];
    std::fill_n(run.by_keys + places.begin * a, places.count * a, T{0});
    std::fill_n(run.by_v + r * a, a, T{0});
  }
  for (std::int64_t s = task.time(); s-- > 0;) {
    const std::int64_t first = task.start(s), rows = task.count(s);
    std::transform(g.get(), g.get() + rows * h, run.by_output + first * h, g.get(), std::plus<T>());
    T* const previous = run.previous + first * h;
    std::copy_n(s == 0 ? initial.get() : run.output + task.start(s - 1) * h, rows * h, previous);
    T* const by_input = run.by_input + first * 3 * h;
    T* const by_recurrent = run.by_recurrent + first * 3 * h;
    T* const by_queries = run.by_queries + first * a;
    T* const by_contexts = run.by_contexts + first * d;
    gru_gates_backward<T>(
        {rows, h, previous, run.kept + first * 4 * h, by_input, by_recurrent, g.get()});
    if (run.context_weight) {
      run.context_weight->multiply(rows, by_input, 3 * h, {}, by_contexts, d);
    } else {
      std::copy_n(by_input, rows * d, by_contexts);
    }
    run.weight.multiply(rows, by_recurrent, 3 * h, {g.get(), h}, g.get(), h);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t r = task.rows[static_cast<std::size_t>(row)];
      const MemoryRow& places = run.memory[static_cast<std::size_t>(r)];
      const LookGradients<T> by{by_queries + row * a, run.by_keys + places.begin * a,
                                run.by_v + r * a};
      const T* const of_step = run.queries + (first + row) * a;
      looks.with(places, of_step, [&]<class Of>(Of, const T* of_row, const T* query) {
        const Look<T> look{places.count, a,    d, of_row, run.values + places.begin * d,
                           nullptr,      run.v};
        vectorised<LookBackward<T, Of>>(&look, query, run.weights + (first + row) * n.source,
                                        by_contexts + row * d, by_scores.get(), &by);
      });
    }
    run.query_weight.multiply(rows, by_queries, a, {g.get(), h}, g.get(), h);
  }
  for (std::size_t row = 0; row < task.rows.size(); ++row) {
    const MemoryRow& places = run.memory[static_cast<std::size_t>(task.rows[row])];
    vectorised<ByValues<T>>(&task, row, places.count, &n, run.weights, run.by_contexts,
                            run.by_values + places.begin * d);
  }
  give_rows(task, g.get(), run.by_initial, h);
}

}  // namespace

template <class T>
void find_powers(std::int64_t places, std::int64_t size, const T* keys, T* powers, bool* possible) {
  parallel_for(places, places_a_chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t place = begin; place < end; ++place) {
      vectorised<Powers<T>>(size, keys + place * size, powers + place * size, possible + place);
    }
  });
}

template <class T>
void attention_gru_forward(const AttentionGruForward<T>& run) {
  each_task(run.tasks, [&](const StepTask& task) { forward_task(run, task); });
}

template <class T>
void attention_gru_backward(const AttentionGruBackward<T>& run) {
  each_task(run.tasks, [&](const StepTask& task) { backward_task(run, task); });
}

template void find_powers(std::int64_t, std::int64_t, const float*, float*, bool*);
template void find_powers(std::int64_t, std::int64_t, const double*, double*, bool*);
template void attention_gru_forward(const AttentionGruForward<float>&);
template void attention_gru_forward(const AttentionGruForward<double>&);
template void attention_gru_backward(const AttentionGruBackward<float>&);
template void attention_gru_backward(const AttentionGruBackward<double>&);

}  // namespace attune
