// Attention: every score against a loop, the weights as a distribution, and masks that nothing gets
// through.

#include "nn/attention.h"

#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;

namespace {

constexpr std::uint64_t attention_seed = 11;
constexpr Attention all_scores[] = {Attention::additive, Attention::dot, Attention::general,
                                    Attention::scaled};

// dot and scaled need keys of the queries' size.
std::int64_t key_size_for(Attention kind) {
  return kind == Attention::dot || kind == Attention::scaled ? 5 : 3;
}

std::shared_ptr<Score> score_of(Attention kind) {
  const auto score = make_score(kind, 5, key_size_for(kind), 4);
  score->to(DType::float64);
  return score;
}

Tensor parameter_of(const Score& score, const std::string& name) {
  for (const auto& [own, tensor] : score.named_parameters()) {
    if (own == name) return tensor;
  }
  FAIL("no parameter " << name);
  return {};
}

// The score of one query and one key, from its equation.
double score_by_loop(Attention kind, const Score& score, const Tensor& query, const Tensor& key) {
  const auto q = query.to_vector<double>();
  const auto k = key.to_vector<double>();
  double total = 0;
  if (kind == Attention::dot || kind == Attention::scaled) {
    for (std::size_t i = 0; i < q.size(); ++i) total += q[i] * k[i];
    return kind == Attention::scaled ? total / std::sqrt(static_cast<double>(q.size())) : total;
  }
  if (kind == Attention::general) {
    const auto w = parameter_of(score, "weight").to_vector<double>();
    for (std::size_t i = 0; i < q.size(); ++i) {
      for (std::size_t j = 0; j < k.size(); ++j) total += q[i] * w[i * k.size() + j] * k[j];
    }
    return total;
  }
  const auto w = parameter_of(score, "query_weight").to_vector<double>();
  const auto u = parameter_of(score, "key_weight").to_vector<double>();
  const auto v = parameter_of(score, "v").to_vector<double>();
  for (std::size_t unit = 0; unit < v.size(); ++unit) {
    double sum = 0;
    for (std::size_t i = 0; i < q.size(); ++i) sum += w[unit * q.size() + i] * q[i];
    for (std::size_t j = 0; j < k.size(); ++j) sum += u[unit * k.size() + j] * k[j];
    total += v[unit] * std::tanh(sum);
  }
  return total;
}

}  // namespace

TEST_CASE("every score is its equation, for any leading dimensions") {
  manual_seed(attention_seed);
  CAPTURE(attention_seed);
  for (const Attention kind : all_scores) {
    CAPTURE(name_of(kind));
    const auto score = score_of(kind);
    const Tensor queries = random_doubles({2, 4, 5});
    const Tensor keys = random_doubles({2, 6, key_size_for(kind)});
    const Tensor scores = score->scores(queries, score->prepare(keys));
    REQUIRE(scores.shape() == Shape{2, 4, 6});
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < 6; ++j) {
          const Tensor query = select(select(queries, 0, b), 0, i);
          const Tensor key = select(select(keys, 0, b), 0, j);
          const double expected = score_by_loop(kind, *score, query, key);
          CHECK(scores.at({b, i, j}) == doctest::Approx(expected).epsilon(tolerance));
        }
      }
    }
    const Tensor of_one = score->scores(select(queries, 0, 1), score->prepare(select(keys, 0, 1)));
    CHECK(difference(of_one, select(scores, 0, 1)) < tolerance);
    const Tensor of_more = score->scores(unsqueeze(queries, 0), score->prepare(unsqueeze(keys, 0)));
    CHECK(difference(squeeze(of_more, 0), scores) < tolerance);
  }
}

TEST_CASE(
    "the weights of each query sum to 1, and the context is the weighted mean of the values") {
  manual_seed(attention_seed);
  CAPTURE(attention_seed);
  for (const Attention kind : all_scores) {
    CAPTURE(name_of(kind));
    const auto score = score_of(kind);
    const Tensor keys = random_doubles({2, 6, key_size_for(kind)});
    const Tensor values = random_doubles({2, 6, 7});
    const Tensor queries = random_doubles({2, 4, 5}) * 20;  // far from uniform weights
    const Tensor mask = padding_mask(from_vector(std::vector<std::int64_t>{6, 2}, {2}), 6);
    const Attended seen = attend(*score, queries, keys, values, mask);
    CHECK(seen.weights.shape() == Shape{2, 4, 6});
    CHECK(seen.context.shape() == Shape{2, 4, 7});
    CHECK(difference(sum(seen.weights, {-1}), ones({2, 4}, DType::float64)) < tolerance);
    CHECK(amin(seen.weights).item() >= 0);
    CHECK(amax(slice(select(seen.weights, 0, 1), 1, 2, 6)).item() == 0);
    CHECK(difference(matmul(seen.weights, values), seen.context) < tolerance);
    const Tensor context =
        attend_prepared(*score, queries, score->prepare(keys), values, mask).context;
    CHECK(difference(context, seen.context) == 0);
  }
}

TEST_CASE("a masked position changes no bit of a value or a gradient") {
  manual_seed(attention_seed);
  CAPTURE(attention_seed);
  for (const Attention kind : all_scores) {
    CAPTURE(name_of(kind));
    const auto score = score_of(kind);
    const Tensor mask = padding_mask(from_vector(std::vector<std::int64_t>{4, 1, 0}, {3}), 4);
    const Tensor masked = transpose(mask);  // [batch, keys, 1]
    const Tensor keys = random_doubles({3, 4, key_size_for(kind)});
    const Tensor values = random_doubles({3, 4, 2});
    const Tensor queries = random_doubles({3, 2, 5});
    const Tensor by_context = random_doubles({3, 2, 2});

    struct Run {
      Attended seen;
      std::vector<Tensor> gradients;
    };
    const auto run = [&](const Tensor& k, const Tensor& v) {
      score->zero_grad();
      const Tensor q_leaf = queries.clone().requires_grad_();
      const Tensor k_leaf = k.clone().requires_grad_();
      const Tensor v_leaf = v.clone().requires_grad_();
      Run result{attend(*score, q_leaf, k_leaf, v_leaf, mask), {}};
      sum(result.seen.context * by_context).backward();
      result.gradients = {q_leaf.grad(), k_leaf.grad(), v_leaf.grad()};
      for (const Tensor& parameter : score->parameters()) {
        result.gradients.push_back(parameter.grad().clone());
      }
      return result;
    };
    const auto with_junk = [&](const Tensor& x) {
      return where(masked, randn(x.shape(), 0, 1e4, DType::float64), x);
    };
    const Run clean = run(keys, values);
    const Run junk = run(with_junk(keys), with_junk(values));
    CHECK(difference(clean.seen.context, junk.seen.context) == 0);
    CHECK(difference(clean.seen.weights, junk.seen.weights) == 0);
    for (std::size_t i = 0; i < clean.gradients.size(); ++i) {
      CAPTURE(i);
      CHECK(difference(clean.gradients[i], junk.gradients[i]) == 0);
    }
    // No gradient flows to a masked key or value, and none at all through a query that sees
    // nothing.
    for (const std::size_t i : {1u, 2u}) {
      CHECK(amax(abs(masked_fill(junk.gradients[i], logical_not(masked), 0))).item() == 0);
    }
    CHECK(amax(abs(select(junk.seen.context, 0, 2))).item() == 0);
    CHECK(amax(abs(select(junk.seen.weights, 0, 2))).item() == 0);
    CHECK(amax(abs(select(junk.gradients[0], 0, 2))).item() == 0);
  }
}

TEST_CASE("every score passes gradcheck and gradgradcheck, parameters and masks included") {
  manual_seed(attention_seed);
  CAPTURE(attention_seed);
  const Tensor mask = padding_mask(from_vector(std::vector<std::int64_t>{3, 1}, {2}), 3);
  for (const Attention kind : all_scores) {
    CAPTURE(name_of(kind));
    const auto score = score_of(kind);
    std::vector<Tensor> inputs{random_doubles({2, 2, 5}),
                               random_doubles({2, 3, key_size_for(kind)}),
                               random_doubles({2, 3, 2})};
    for (Tensor& input : inputs) input.requires_grad_();
    for (const Tensor& parameter : score->parameters()) inputs.push_back(parameter);
    const auto f = [&](const std::vector<Tensor>& x) {
      return attend(*score, x[0], x[1], x[2], mask).context;
    };
    CHECK(gradcheck(f, inputs));
    CHECK(gradgradcheck(f, inputs));
  }
}

TEST_CASE("masked_softmax equals the softmax of what is left") {
  const Tensor scores = tensor({{1, 2, 3}, {100, -100, 0}});
  const Tensor mask = tensor({{0, 1, 0}, {1, 0, 0}}, DType::boolean);
  const Tensor weights = masked_softmax(scores, mask);
  const double first = 1 / (1 + std::exp(2.0));
  CHECK(weights.at({0, 0}) == doctest::Approx(first));
  CHECK(weights.at({0, 1}) == 0);
  CHECK(weights.at({0, 2}) == doctest::Approx(1 - first));
  CHECK(weights.at({1, 0}) == 0);
  CHECK(weights.at({1, 2}) == doctest::Approx(1));
  CHECK(difference(masked_softmax(scores, {}), softmax(scores)) == 0);
}

TEST_CASE("padding_mask is true at and past each length") {
  const Tensor mask = padding_mask(from_vector(std::vector<std::int64_t>{0, 2, 3}, {3}), 3);
  CHECK(mask.shape() == Shape{3, 1, 3});
  CHECK(mask.to(DType::int64).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{1, 1, 1, 0, 0, 1, 0, 0, 0});
}

TEST_CASE("kinds of attention by name") {
  for (const Attention kind : all_scores) CHECK(attention_by_name(name_of(kind)) == kind);
  CHECK(attention_by_name("none") == Attention::none);
  CHECK(attention_by_name("fixed") == Attention::fixed);
  CHECK_THROWS_WITH_AS(attention_by_name("bilinear"),
                       "'bilinear' is no kind of attention. Choose none, additive, dot, general, "
                       "scaled, multihead or fixed.",
                       Error);
  CHECK_THROWS_WITH_AS(make_score(Attention::none, 1, 1, 1),
                       doctest::Contains("choose additive, dot, general or scaled"), Error);
}
