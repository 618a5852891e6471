// The layers of one formula: linear, embedding, dropout, and how parameters begin.

#include <doctest/doctest.h>

#include "autograd/engine.h"
#include "autograd/random.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/init.h"
#include "nn/linear.h"
#include "nn/optim/sgd.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;

TEST_CASE("Linear is x W^T + b over any leading dimensions") {
  manual_seed(31);
  const Linear linear(3, 2);
  const Tensor x = randn({4, 5, 3});
  const Tensor y = linear.forward(x);
  REQUIRE(y.shape() == Shape{4, 5, 2});
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 5; ++j) {
      for (std::int64_t k = 0; k < 2; ++k) {
        double expected = linear.bias.at({k});
        for (std::int64_t l = 0; l < 3; ++l) expected += linear.weight.at({k, l}) * x.at({i, j, l});
        CHECK(y.at({i, j, k}) == doctest::Approx(expected).epsilon(1e-5));
      }
    }
  }
  const Linear without_bias(3, 2, false);
  CHECK(without_bias.parameter_count() == 6);
  CHECK(difference(without_bias.forward(zeros({1, 3})), zeros({1, 2})) == 0);
  CHECK_THROWS_WITH_AS(linear.forward(zeros({1, 4})), doctest::Contains("[1, 4]"), Error);
}

TEST_CASE("Linear begins uniform within 1 / sqrt(in)") {
  manual_seed(32);
  const Linear linear(100, 50);
  CHECK(amax(abs(linear.weight)).item() <= 0.1);
  CHECK(amax(abs(linear.weight)).item() > 0.099);
  CHECK(mean(square(linear.weight)).item() == doctest::Approx(0.01 / 3).epsilon(0.05));
  CHECK(amax(abs(linear.bias)).item() <= 0.1);
}

TEST_CASE("Embedding looks rows up, and its padding stays zero without gradient") {
  manual_seed(33);
  const Embedding embedding(5, 3, 0);
  CHECK(amax(abs(select(embedding.weight, 0, 0))).item() == 0);
  const Tensor rows = embedding.forward(from_list({4, 0, 4, 1}));
  CHECK(difference(select(rows, 0, 0), select(embedding.weight, 0, 4)) == 0);
  CHECK(difference(select(rows, 0, 3), select(embedding.weight, 0, 1)) == 0);
  sum(rows).backward();
  const Tensor counts = tensor({0, 1, 0, 0, 2});
  CHECK(difference(embedding.weight.grad(), expand(unsqueeze(counts, 1), {5, 3})) == 0);
  CHECK_THROWS_WITH_AS(embedding.forward(from_list({5})), doctest::Contains("5"), Error);

  const Embedding without_padding(2, 2);
  sum(without_padding.forward(from_list({0}))).backward();
  CHECK(without_padding.weight.grad().at({0, 0}) == 1);
}

TEST_CASE("a product with each distinct vector is that with all, and so are its gradients") {
  manual_seed(36);
  Embedding embedding(7, 4, 0);
  Linear linear(4, 3);
  embedding.to(DType::float64);
  linear.to(DType::float64);
  const Tensor ids = tensor({{3, 1, 3, 0, 5, 3}, {1, 1, 5, 5, 0, 0}}, DType::int64);
  const Steps steps(2, 6, tensor({5, 4}, DType::int64), StepOrder::reverse);
  const Vectors vectors = embedding.vectors(ids);
  CHECK(vectors.batch() == 2);
  CHECK(vectors.time() == 6);
  CHECK(vectors.features() == 4);
  CHECK(difference(vectors.whole(), embedding.forward(ids)) == 0);

  const std::vector<Tensor> learned{embedding.weight, linear.weight, linear.bias};
  const Tensor factors = randn({9, 3}, 0, 1, DType::float64);
  const Tensor product = vectors.linear_of(steps, linear.weight, linear.bias);
  const std::vector<Tensor> found = grad({sum(product * factors)}, learned);
  const Tensor expected = linear.forward(pack(embedding.forward(ids), steps));
  const std::vector<Tensor> wanted = grad({sum(expected * factors)}, learned);
  CHECK(difference(product, expected) < 1e-12);
  for (std::size_t i = 0; i < learned.size(); ++i) CHECK(difference(found[i], wanted[i]) < 1e-12);
  CHECK(difference(vectors.linear_of(steps, linear.weight, {}), expected - linear.bias) < 1e-12);
}

TEST_CASE("tokens are gathered where they repeat, and an id that is none is named") {
  const NoGrad no_grad;
  const Embedding embedding(50, 2);
  const auto products = [&](const Tensor& ids) {
    return embedding.vectors(ids).linear_of({1, ids.size(1)}, eye(2), {});
  };
  for (const std::int64_t different : {1, 3, 4, 5, 8}) {
    std::vector<std::int64_t> values;
    for (std::int64_t i = 0; i < 8; ++i) values.push_back(i % different);
    const Tensor ids = from_vector(values, {1, 8});
    CHECK(difference(products(ids), reshape(embedding.forward(ids), {8, 2})) == 0);
  }
  CHECK_THROWS_WITH_AS(embedding.vectors(tensor({{1, 50}}, DType::int64)), doctest::Contains("50"),
                       Error);
}

TEST_CASE("Dropout keeps the expectation, and is the identity in evaluation") {
  manual_seed(34);
  Dropout dropout(0.25);
  const Tensor x = ones({200, 500});
  const Tensor y = dropout.forward(x);
  const double kept = sum(gt(y, 0).to(DType::float64)).item() / 1e5;
  CHECK(kept == doctest::Approx(0.75).epsilon(0.01));
  CHECK(mean(y).item() == doctest::Approx(1).epsilon(0.01));
  const double scaled = 1 / 0.75;
  CHECK(amax(y).item() == doctest::Approx(scaled));
  CHECK(difference(dropout.forward(x), y) > 0);
  dropout.eval();
  CHECK(dropout.forward(x).handle() == x.handle());
  CHECK(Dropout(0).forward(x).handle() == x.handle());
}

TEST_CASE("Dropout drops the same elements for the same seed, forward and backward") {
  const Dropout dropout(0.5);
  manual_seed(35);
  const Tensor first = dropout.forward(ones({64}));
  manual_seed(35);
  const Tensor x = ones({64}).requires_grad_();
  const Tensor second = dropout.forward(x);
  CHECK(difference(first, second) == 0);
  sum(second).backward();
  CHECK(difference(x.grad(), first) == 0);
  CHECK(dropout.forward(ones({2}, DType::float64)).dtype() == DType::float64);
}

TEST_CASE("Dropout refuses what is no probability") {
  for (const double p : {-0.1, 1.0, 1.5}) {
    CHECK_THROWS_WITH_AS(Dropout{p}, doctest::Contains("must lie in [0, 1)"), Error);
  }
  CHECK_THROWS_AS(Dropout{std::nan("")}, Error);
}

TEST_CASE("LockedDropout takes the same features from every step, and others from other rows") {
  manual_seed(37);
  LockedDropout dropout(0.5);
  const Tensor x = ones({3, 4, 64}).requires_grad_();
  const Tensor y = dropout.forward(x);
  const Tensor first = slice(y, 1, 0, 1);
  CHECK(difference(y, expand(first, y.shape())) == 0);
  CHECK(difference(select(first, 0, 0), select(first, 0, 1)) == 2);
  CHECK(amin(y).item() == 0);
  CHECK(amax(y).item() == 2);
  sum(y).backward();
  CHECK(difference(x.grad(), y) == 0);
  dropout.eval();
  CHECK(dropout.forward(x).handle() == x.handle());
}

TEST_CASE(
    "EmbeddingDropout takes an id wherever it occurs, and leaves its vector without gradient") {
  manual_seed(38);
  const Embedding table(100, 3);
  EmbeddingDropout dropout(0.25);
  const Tensor all = arange(0, 100);
  const Tensor twice = dropout.forward(table, stack({all, all}));
  CHECK(difference(select(twice, 0, 0), select(twice, 0, 1)) == 0);
  sum(twice).backward();
  std::int64_t dropped = 0;
  for (std::int64_t id = 0; id < 100; ++id) {
    const Tensor vector = select(select(twice, 0, 0), 0, id);
    const Tensor gradient = select(table.weight.grad(), 0, id);
    if (amax(abs(vector)).item() == 0) {
      ++dropped;
      CHECK(amax(abs(gradient)).item() == 0);
    } else {
      CHECK(difference(vector, select(table.weight, 0, id) / 0.75) < 1e-6);
      CHECK(difference(gradient, full({3}, 2 / 0.75)) < 1e-6);
    }
  }
  CHECK(dropped > 10);
  CHECK(dropped < 40);
  dropout.eval();
  CHECK(difference(dropout.forward(table, all), table.weight) == 0);
}

TEST_CASE("initial values have the ranges and moments they are named for") {
  manual_seed(36);
  CHECK(amax(abs(init::uniform({1000}, 0.5))).item() <= 0.5);
  const double bound = std::sqrt(6.0 / 300);
  const Tensor xavier = init::xavier_uniform({100, 200});
  CHECK(amax(abs(xavier)).item() <= bound);
  CHECK(amax(abs(xavier)).item() > 0.99 * bound);
  const Tensor normal = init::normal({100, 100}, 3);
  CHECK(mean(normal).item() == doctest::Approx(0).epsilon(0.1));
  CHECK(mean(square(normal)).item() == doctest::Approx(9).epsilon(0.05));
  const auto check_variance = [](const Tensor& weight, double expected) {
    CHECK(mean(weight).item() == doctest::Approx(0).epsilon(0.05));
    CHECK(mean(square(weight)).item() == doctest::Approx(expected).epsilon(0.05));
  };
  check_variance(init::xavier_normal({100, 300}), 2.0 / 400);
  check_variance(init::kaiming_normal({200, 100}), 2.0 / 100);
  const Tensor kaiming = init::kaiming_uniform({200, 100});
  check_variance(kaiming, 2.0 / 100);
  CHECK(amax(abs(kaiming)).item() <= std::sqrt(6.0 / 100));
}

TEST_CASE("an orthogonal matrix has orthonormal rows, or columns, times its gain") {
  manual_seed(39);
  for (const auto& [rows, columns] : {std::pair{3, 5}, {5, 3}, {4, 4}, {1, 7}}) {
    const Tensor w = init::orthogonal({rows, columns}, 2);
    REQUIRE(w.shape() == Shape{rows, columns});
    const Tensor products = rows <= columns ? matmul(w, transpose(w)) : matmul(transpose(w), w);
    CHECK(difference(products, 4 * eye(std::min(rows, columns))) < 1e-5);
  }
}

TEST_CASE("an output layer that shares the embedding's weight learns it together with it") {
  manual_seed(40);
  struct Tied : Module {
    Tied()
        : table(child("table", Embedding(5, 3))), output(child("output", Linear(table.weight))) {}
    Embedding table;
    Linear output;
  };
  const Tied tied;
  CHECK(tied.parameter_count() == 5 * 3 + 5);
  CHECK(tied.named_parameters().size() == 3);
  const Tensor tokens = from_list({1, 4}), next = from_list({4, 2});
  cross_entropy(tied.output.forward(tied.table.forward(tokens)), next).backward();

  // The same with two weights of equal values: the gradients add up.
  const Tensor in = tied.table.weight.detach().clone().requires_grad_();
  const Tensor out = tied.table.weight.detach().clone().requires_grad_();
  cross_entropy(linear(embedding(in, tokens), out, tied.output.bias), next).backward();
  CHECK(difference(tied.table.weight.grad(), in.grad() + out.grad()) < 1e-6);

  optim::SGD sgd(tied.parameters(), {.learning_rate = 1});
  const Tensor before = tied.table.weight.detach().clone();
  sgd.step();
  CHECK(difference(tied.output.weight, before - in.grad() - out.grad()) < 1e-6);
  CHECK(difference(tied.output.weight, tied.table.weight) == 0);
}
