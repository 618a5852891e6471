#include "autograd/fused/attention.h"

#include <fmt/format.h>

#include "autograd/fused/fused.h"
#include "autograd/kernels/attention.h"

namespace attune {
namespace {

void check_steps(const RowAttention& how, const Site& site) {
  if (how.of_queries.order() == StepOrder::by_row && how.of_keys.order() == StepOrder::by_row &&
      how.of_queries.batch() == how.of_keys.batch()) {
    return;
  }
  misuse("row_attention", site,
         fmt::format("the steps of {} rows of queries and {} of keys do not go together",
                     how.of_queries.batch(), how.of_keys.batch()),
         "Make both StepOrder::by_row, of the same batch.");
}

std::vector<AttentionSentence> sentences_of(const RowAttention& how) {
  std::vector<AttentionSentence> result(static_cast<std::size_t>(how.of_queries.batch()));
  for (const StepTask& task : how.of_queries.tasks()) {
    AttentionSentence& sentence = result[static_cast<std::size_t>(task.rows[0])];
    sentence.query = task.starts.front();
    sentence.queries = task.time();
  }
  for (const StepTask& task : how.of_keys.tasks()) {
    AttentionSentence& sentence = result[static_cast<std::size_t>(task.rows[0])];
    sentence.key = task.starts.front();
    sentence.keys = task.time();
  }
  std::int64_t weight = 0;
  for (AttentionSentence& sentence : result) {
    sentence.weight = weight;
    weight += how.heads * sentence.queries * sentence.keys;
  }
  return result;
}

}  // namespace

std::int64_t RowAttention::weights(Site site) const {
  check_steps(*this, site);
  std::int64_t count = 0;
  for (const AttentionSentence& sentence : sentences_of(*this)) {
    count += heads * sentence.queries * sentence.keys;
  }
  return count;
}

Tensor row_attention_composition(const Tensor& queries, const Tensor& keys, const Tensor& values,
                                 const RowAttention& how, const Tensor& factors) {
  // The rows [count, features] of one sentence, by heads: [heads, count, size].
  const auto by_heads = [&](const Tensor& rows, std::int64_t first, std::int64_t count) {
    const Tensor own = slice(rows, 0, first, first + count);
    return transpose(reshape(own, {count, how.heads, rows.size(1) / how.heads}), 0, 1);
  };
  std::vector<Tensor> in_order{zeros({0, queries.size(1)}, queries.dtype())};
  const std::vector<AttentionSentence> sentences = sentences_of(how);
  for (const StepTask& task : how.of_queries.tasks()) {
    const AttentionSentence& at = sentences[static_cast<std::size_t>(task.rows[0])];
    const Tensor k = by_heads(keys, at.key, at.keys);
    const Tensor scores = matmul(by_heads(queries, at.query, at.queries), transpose(k)) * how.scale;
    const Tensor query = unsqueeze(arange(0, static_cast<double>(at.queries)), 1);
    const Tensor later =
        gt(arange(0, static_cast<double>(at.keys)), query + (at.keys - at.queries));
    const Tensor unseen = how.causal ? later : zeros(later.shape(), DType::boolean);
    Tensor weights = masked_fill(softmax(masked_fill(scores, unseen, -1e30)), unseen, 0);
    if (factors.defined()) {
      const std::int64_t count = weights.numel();
      weights = weights * reshape(slice(factors, 0, at.weight, at.weight + count), weights.shape());
    }
    const Tensor context = matmul(weights, by_heads(values, at.key, at.keys));
    in_order.push_back(reshape(transpose(context, 0, 1), {at.queries, queries.size(1)}));
  }
  return cat(in_order, 0);
}

namespace {

void check(Operand queries, Operand keys, Operand values, const RowAttention& how,
           const Tensor& factors) {
  detail::check_floating("row_attention", queries);
  detail::check_same_dtype("row_attention", queries, keys);
  detail::check_same_dtype("row_attention", queries, values);
  check_steps(how, queries.site());
  const std::int64_t features = queries->rank() == 2 ? queries->size(1) : -1;
  const Shape of_keys{how.of_keys.count(), features};
  if (features < 0 || queries->size(0) != how.of_queries.count() || keys->shape() != of_keys ||
      values->shape() != of_keys || how.heads < 1 || features % how.heads != 0) {
    misuse("row_attention", queries.site(),
           fmt::format(
               "queries {}, keys {} and values {} do not fit each other, {} heads, or the {} "
               "and {} steps",
               to_string(queries->shape()), to_string(keys->shape()), to_string(values->shape()),
               how.heads, how.of_queries.count(), how.of_keys.count()),
           "They are [steps, features], features a multiple of the heads.");
  }
  if (factors.defined() &&
      (factors.shape() != Shape{how.weights()} || factors.dtype() != queries->dtype())) {
    misuse("row_attention", queries.site(),
           fmt::format("the factors are {} {}, and must be {} [{}]", name(factors.dtype()),
                       to_string(factors.shape()), name(queries->dtype()), how.weights()));
  }
}

// What the kernels read, and the weights.
struct Parts {
  Tensor queries, keys, values, factors, weights;
};

// Rows as the kernels read them: they may lie apart, as where queries, keys and values are parts of
// one matrix, but each without gaps.
Tensor readable_rows(const Tensor& x) {
  return x.strides()[1] == 1 ? x.detach() : x.detach().contiguous();
}

template <class T>
AttentionRows<T> rows_of(const Tensor& x) {
  return {x.raw<T>(), x.strides()[0]};
}

AttentionShape shape_of(const RowAttention& how, const std::vector<AttentionSentence>& sentences,
                        std::int64_t features) {
  return {sentences, how.heads, features / how.heads, how.scale, how.causal};
}

std::vector<Tensor> attention_backward_pass(const Parts& x, const RowAttention& how,
                                            const Tensor& g) {
  const Tensor by_context = g.contiguous();
  const std::vector<Tensor> result{empty(x.queries.shape(), g.dtype()),
                                   empty(x.keys.shape(), g.dtype()),
                                   empty(x.values.shape(), g.dtype())};
  const std::vector<AttentionSentence> sentences = sentences_of(how);
  dispatch_floating(g.dtype(), [&]<class T>(T) {
    attention_backward<T>({shape_of(how, sentences, x.queries.size(1)), rows_of<T>(x.queries),
                           rows_of<T>(x.keys), rows_of<T>(x.values),
                           x.factors.defined() ? x.factors.raw<T>() : nullptr, x.weights.raw<T>(),
                           by_context.raw<T>(), result[0].raw<T>(), result[1].raw<T>(),
                           result[2].raw<T>()});
  });
  return result;
}

}  // namespace

Tensor row_attention(Operand queries, Operand keys, Operand values, const RowAttention& how,
                     const Tensor& factors) {
  check(queries, keys, values, how, factors);
  const Parts x{readable_rows(*queries), readable_rows(*keys), readable_rows(*values),
                factors.defined() ? factors.contiguous() : Tensor(),
                empty({how.weights()}, queries->dtype())};
  Tensor context = empty(queries->shape(), queries->dtype());
  const std::vector<AttentionSentence> sentences = sentences_of(how);
  dispatch_floating(queries->dtype(), [&]<class T>(T) {
    attention_forward<T>({shape_of(how, sentences, queries->size(1)), rows_of<T>(x.queries),
                          rows_of<T>(x.keys), rows_of<T>(x.values),
                          x.factors.defined() ? x.factors.raw<T>() : nullptr, x.weights.raw<T>(),
                          context.raw<T>()});
  });
  const auto kept_factors = x.factors.defined() ? std::optional(save(x.factors)) : std::nullopt;
  const auto backward = [q = save(x.queries), k = save(x.keys), v = save(x.values), kept_factors,
                         weights = save(x.weights), how](std::span<const Tensor> g, const Needs&) {
    const Tensor given = kept_factors ? (*kept_factors)() : Tensor();
    return attention_backward_pass({q(), k(), v(), given, weights()}, how, g[0]);
  };
  const auto composition = [kept_factors, how](const std::vector<Tensor>& in) {
    const Tensor given = kept_factors ? (*kept_factors)() : Tensor();
    return std::vector{row_attention_composition(in[0], in[1], in[2], how, given)};
  };
  const std::vector<Operand> inputs{queries, keys, values};
  return apply("row_attention", inputs, std::move(context),
               fused_rule(inputs, backward, composition));
}

}  // namespace attune
