#include "nn/attention.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "nn/linear.h"

namespace attune::nn {

Attended attend(const Score& score, const Tensor& queries, const Tensor& keys, const Tensor& values,
                const Tensor& mask) {
  return attend_prepared(score, queries, score.prepare(keys), values, mask);
}

Attended attend_prepared(const Score& score, const Tensor& queries, const Tensor& prepared,
                         const Tensor& values, const Tensor& mask) {
  const Tensor scores = score.scores(queries, prepared);  // [.., queries, keys]
  const Tensor weights = masked_softmax(scores, mask);    // [.., queries, keys]
  return {matmul(weights, values), weights};              // [.., queries, value_size]
}

// The masked scores become very small, but not -inf: a row of nothing else would be 0 / 0.
Tensor masked_softmax(Operand scores, const Tensor& mask) {
  if (!mask.defined()) return softmax(scores);
  return masked_fill(softmax(masked_fill(scores, mask, -1e30)), mask, 0);
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
  return matmul(queries, transpose(prepared)) / std::sqrt(static_cast<double>(queries.size(-1)));
}

namespace {

constexpr std::array names{"none", "additive", "dot", "general", "scaled"};

}  // namespace

Attention attention_by_name(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (name == names[i]) return static_cast<Attention>(i);
  }
  throw Error(fmt::format(
      "'{}' is no kind of attention. Choose none, additive, dot, general or scaled.", name));
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
      break;
  }
  throw Error("make_score: without attention there is no score.");
}

}  // namespace attune::nn
