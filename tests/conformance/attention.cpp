#include "nn/attention.h"

#include <fmt/format.h>

#include "tests/conformance/functions.h"

namespace attune::conformance {
namespace {

// What follows the queries, keys and values: perhaps a mask, and the weights of the score.
struct Attending {
  Tensor queries, keys, values;
  Tensor mask;  // true = not to be looked at; to be broadcast to [.., queries, keys], or undefined
  std::vector<Tensor> weights;
};

// A key padding mask [batch, keys] as [batch, 1, .., keys], to mask the scores of all queries.
Tensor for_scores(const Tensor& padding, const Tensor& queries) {
  if (padding.rank() != 2) return padding;
  Shape shape = Shape::filled(queries.rank(), 1);
  shape[0] = padding.size(0);
  shape.back() = padding.size(1);
  return reshape(padding, shape);
}

Attending attending(const Arguments& a, std::size_t weights) {
  if (a.inputs.size() < 3) throw Error("it takes queries, keys and values");
  Attending result{a.inputs[0], a.inputs[1], a.inputs[2], {}, {}};
  for (std::size_t k = 3; k < a.inputs.size(); ++k) {
    if (a.inputs[k].dtype() == DType::boolean) {
      result.mask = for_scores(a.inputs[k], result.queries);
    } else {
      result.weights.push_back(a.inputs[k]);
    }
  }
  if (result.weights.size() != weights) {
    throw Error(fmt::format("the score takes {} weights, and there are {}", weights,
                            result.weights.size()));
  }
  return result;
}

Results attend_by(const nn::Score& score, const Attending& in) {
  const auto [context, weights] = nn::attend(score, in.queries, in.keys, in.values, in.mask);
  return {{context, weights}};
}

Results scaled_dot_product(const Arguments& a) {
  Attending in = attending(a, 0);
  if (a.attributes.flag("is_causal", false)) {
    const std::int64_t queries = in.queries.size(-2);
    const Tensor future = triu(ones({queries, in.keys.size(-2)}, DType::boolean), 1);
    in.mask = in.mask.defined() ? logical_or(in.mask, future) : future;
  }
  return attend_by(nn::ScaledDotScore(), in);
}

Results additive(const Arguments& a) {
  const Attending in = attending(a, 3);
  nn::AdditiveScore score(in.queries.size(-1), in.keys.size(-1), in.weights[2].size(0));
  score.query_weight = in.weights[0];
  score.key_weight = in.weights[1];
  score.v = in.weights[2];
  return attend_by(score, in);
}

Results general(const Arguments& a) {
  const Attending in = attending(a, 1);
  nn::GeneralScore score(in.queries.size(-1), in.keys.size(-1));
  score.weight = in.weights[0];
  return attend_by(score, in);
}

}  // namespace

Functions attentions() {
  return {
      {"scaled_dot_product_attention", scaled_dot_product},
      {"additive_attention", additive},
      {"general_attention", general},
  };
}

}  // namespace attune::conformance
