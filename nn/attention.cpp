#include "nn/attention.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "autograd/fused/attention.h"

namespace attune::nn {

Attended attend(const Score& score, const Tensor& queries, const Tensor& keys, const Tensor& values,
                const Tensor& mask) {
  return attend_prepared(score, queries, score.prepare(keys), values, mask);
}

Attended attend_prepared(const Score& score, const Tensor& queries, const Tensor& prepared,
                         const Tensor& values, const Tensor& mask, const Dropout* dropout) {
  const Tensor scores = score.scores(queries, prepared);  // [.., queries, keys]
  const Tensor weights = masked_softmax(scores, mask);    // [.., queries, keys]
  const Tensor kept = dropout ? dropout->forward(weights) : weights;
  return {matmul(kept, values), weights};  // [.., queries, value_size]
}

// The masked scores become very small, but not -inf: a row of nothing else would be 0 / 0.
Tensor masked_softmax(Operand scores, const Tensor& mask) {
  if (!mask.defined()) return softmax(scores);
  return masked_fill(softmax(masked_fill(scores, mask, -1e30)), mask, 0);
}

Tensor causal_mask(std::int64_t queries, std::int64_t keys) {
  const Tensor query = unsqueeze(arange(0, static_cast<double>(queries)), 1);
  return gt(arange(0, static_cast<double>(keys)), query + (keys - queries));
}

Tensor padding_mask(const Tensor& lengths, std::int64_t time) {
  const Tensor positions = arange(0, static_cast<double>(time));
  return unsqueeze(ge(unsqueeze(positions, 0), unsqueeze(lengths, 1)), 1);
}

AdditiveScore::AdditiveScore(std::int64_t query_size, std::int64_t key_size, std::int64_t size)
    : query_weight(parameter("query_weight", init::fan_in_uniform({size, query_size}, query_size))),
      key_weight(parameter("key_weight", init::fan_in_uniform({size, key_size}, key_size))),
      v(parameter("v", init::fan_in_uniform({size}, size))) {}

Tensor AdditiveScore::prepare(const Tensor& keys) const {
  const Scope in = scope();
  return linear(keys, key_weight);  // [.., keys, size]
}

Tensor AdditiveScore::scores(const Tensor& queries, const Tensor& prepared) const {
  const Scope in = scope();
  const Tensor q = unsqueeze(linear(queries, query_weight), -2);  // [.., queries, 1, size]
  const Tensor k = unsqueeze(prepared, -3);                       // [.., 1, keys, size]
  return matmul(tanh(q + k), v);                                  // [.., queries, keys]
}

Tensor DotScore::prepare(const Tensor& keys) const {
  return keys;
}

Tensor DotScore::scores(const Tensor& queries, const Tensor& prepared) const {
  const Scope in = scope();
  return matmul(queries, transpose(prepared));
}

GeneralScore::GeneralScore(std::int64_t query_size, std::int64_t key_size)
    : weight(parameter("weight", init::fan_in_uniform({query_size, key_size}, key_size))) {}

Tensor GeneralScore::prepare(const Tensor& keys) const {
  const Scope in = scope();
  return linear(keys, weight);  // [.., keys, query_size]
}

Tensor GeneralScore::scores(const Tensor& queries, const Tensor& prepared) const {
  const Scope in = scope();
  return matmul(queries, transpose(prepared));
}

Tensor ScaledDotScore::prepare(const Tensor& keys) const {
  return keys;
}

Tensor ScaledDotScore::scores(const Tensor& queries, const Tensor& prepared) const {
  const Scope in = scope();
  return matmul(queries, transpose(prepared)) * *dot_factor(queries.size(-1));
}

std::optional<double> ScaledDotScore::dot_factor(std::int64_t size) const {
  return 1 / std::sqrt(static_cast<double>(size));
}

namespace {

constexpr std::array names{"none", "additive", "dot", "general", "scaled", "multihead", "fixed"};

}  // namespace

Attention attention_by_name(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (name == names[i]) return static_cast<Attention>(i);
  }
  throw Error(
      fmt::format("'{}' is no kind of attention. Choose none, additive, dot, general, scaled, "
                  "multihead or fixed.",
                  name));
}

std::string_view name_of(Attention attention) {
  return names[static_cast<std::size_t>(attention)];
}

std::shared_ptr<Score> make_score(Attention attention, std::int64_t query_size,
                                  std::int64_t key_size, std::int64_t size) {
  switch (attention) {
    case Attention::additive:
      return std::make_shared<AdditiveScore>(query_size, key_size, size);
    case Attention::dot:
      return std::make_shared<DotScore>();
    case Attention::general:
      return std::make_shared<GeneralScore>(query_size, key_size);
    case Attention::scaled:
      return std::make_shared<ScaledDotScore>();
    case Attention::none:
    case Attention::fixed:
    case Attention::multihead:
      break;
  }
  throw Error("make_score: choose additive, dot, general or scaled.");
}

MultiheadAttention::MultiheadAttention(std::int64_t features, std::int64_t heads,
                                       const MultiheadOptions& options)
    : features_(features),
      heads_(heads),
      out_proj_(child("out_proj", Linear(features, features, options.bias))),
      dropout_(child("dropout", Dropout(options.dropout))) {
  if (heads < 1 || features % heads != 0) {
    throw Error(
        fmt::format("MultiheadAttention: {} features cannot be shared out among {} heads. "
                    "Choose a multiple.",
                    features, heads));
  }
  const std::int64_t key_size = options.key_size == 0 ? features : options.key_size;
  const std::int64_t value_size = options.value_size == 0 ? features : options.value_size;
  if (key_size == features && value_size == features) {
    in_proj_weight_ = parameter("in_proj_weight", init::xavier_uniform({3 * features, features}));
  } else {
    q_proj_weight_ = parameter("q_proj_weight", init::xavier_uniform({features, features}));
    k_proj_weight_ = parameter("k_proj_weight", init::xavier_uniform({features, key_size}));
    v_proj_weight_ = parameter("v_proj_weight", init::xavier_uniform({features, value_size}));
  }
  if (options.bias) {
    in_proj_bias_ = parameter("in_proj_bias", zeros({3 * features}));
    const NoGrad no_grad;
    out_proj_.bias.zero_();
  }
  const std::int64_t size = features / heads;
  score_ = child("score", make_score(options.score, size, size, size));
}

Tensor MultiheadAttention::project_part(const Tensor& x, const Tensor& weight,
                                        std::int64_t part) const {
  const auto rows = [&](const Tensor& all) {
    return slice(all, 0, part * features_, (part + 1) * features_);
  };
  const Tensor own = weight.defined() ? weight : rows(in_proj_weight_);
  return linear(x, own, in_proj_bias_.defined() ? rows(in_proj_bias_) : Tensor());
}

Tensor MultiheadAttention::by_heads(const Tensor& x) const {
  return transpose(reshape(x, {x.size(0), x.size(1), heads_, features_ / heads_}), 1, 2);
}

MultiheadAttention::Projected MultiheadAttention::project(const Tensor& keys,
                                                          const Tensor& values) const {
  const Scope in = scope();
  return {score_->prepare(by_heads(project_part(keys, k_proj_weight_, 1))),
          by_heads(project_part(values, v_proj_weight_, 2))};
}

Attended MultiheadAttention::forward(const Tensor& queries, const Projected& to,
                                     const Tensor& mask) const {
  const Scope in = scope();
  const Tensor q = by_heads(project_part(queries, q_proj_weight_, 0));
  const auto [context, weights] = attend_prepared(*score_, q, to.keys, to.values, mask, &dropout_);
  const Tensor joined = reshape(transpose(context, 1, 2), queries.shape());
  return {out_proj_.forward(joined), weights};
}

Attended MultiheadAttention::forward(const Tensor& queries, const Tensor& keys,
                                     const Tensor& values, const Tensor& mask) const {
  return forward(queries, project(keys, values), mask);
}

namespace {

// The mask, over both batches with their padding, that keeps their real steps to themselves:
// broadcasts to [batch, heads, queries, keys]; undefined for none.
Tensor mask_of(const Steps& queries, const Steps& keys, bool causal) {
  const Tensor later = causal ? causal_mask(queries.time(), keys.time()) : Tensor();
  if (!keys.lengths().defined()) return later;
  const Tensor padding = unsqueeze(padding_mask(keys.lengths(), keys.time()), 1);
  return causal ? logical_or(padding, later) : padding;
}

}  // namespace

// What reads the same rows is one product, which reads them once; its parts are views.
MultiheadAttention::Rows MultiheadAttention::project_rows(const Tensor& queries,
                                                          const Tensor& memory) const {
  if (!in_proj_weight_.defined()) {
    return {project_part(queries, q_proj_weight_, 0), project_part(memory, k_proj_weight_, 1),
            project_part(memory, v_proj_weight_, 2)};
  }
  if (&queries == &memory) {
    const Tensor all = linear(queries, in_proj_weight_, in_proj_bias_);
    const std::vector<Tensor> parts = split(all, {features_, features_, features_}, 1);
    return {parts[0], parts[1], parts[2]};
  }
  const std::vector<Tensor> weights = split(in_proj_weight_, {features_, 2 * features_});
  const std::vector<Tensor> biases = in_proj_bias_.defined()
                                         ? split(in_proj_bias_, {features_, 2 * features_})
                                         : std::vector<Tensor>(2);
  const auto project = [&](const Tensor& x, std::size_t i) {
    return linear(x, weights[i], biases[i]);
  };
  const std::vector<Tensor> parts = split(project(memory, 1), {features_, features_}, 1);
  return {project(queries, 0), parts[0], parts[1]};
}

Tensor MultiheadAttention::forward(const Tensor& queries, const Steps& of_queries,
                                   const Tensor& memory, const Steps& of_memory,
                                   bool causal) const {
  const Scope in = scope();
  const std::int64_t size = features_ / heads_;
  const std::optional<double> factor = score_->dot_factor(size);
  if (!factor) {
    const Tensor all = unpack(memory, of_memory);
    const Tensor mask = mask_of(of_queries, of_memory, causal);
    return pack(forward(unpack(queries, of_queries), all, all, mask).context, of_queries);
  }
  const auto [q, k, v] = project_rows(queries, memory);  // [steps, features], [steps', features]
  const Tensor by_heads = reshape(k, {k.size(0), heads_, size});
  const Tensor prepared = reshape(score_->prepare(by_heads), k.shape());
  const RowAttention how{of_queries, of_memory, heads_, *factor, causal};
  const Tensor factors = dropout_.factors({how.weights()}, q.dtype());
  return out_proj_.forward(row_attention(q, prepared, v, how, factors));
}

}  // namespace attune::nn
