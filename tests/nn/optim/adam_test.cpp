#include "nn/optim/adam.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "autograd/fused/adam.h"
#include "autograd/ops.h"
#include "autograd/random.h"

namespace attune::optim {
namespace {

double largest_difference(const Tensor& a, const Tensor& b) {
  return amax(abs(a.detach() - b.detach())).item();
}

TEST_CASE("adam_step equals its composition") {
  manual_seed(7);
  for (const bool decoupled : {false, true}) {
    for (const std::int64_t t : {1, 2, 1000}) {
      Tensor p = randn({7, 5}, 0, 1, DType::float64);
      Tensor m = randn({7, 5}, 0, 1, DType::float64);
      Tensor v = rand({7, 5}, 0, 1, DType::float64);
      const Tensor g = randn({7, 5}, 0, 1, DType::float64);
      Tensor p2 = p.clone();
      Tensor m2 = m.clone();
      Tensor v2 = v.clone();
      const AdamStep step{1e-2, 0.9, 0.99, 1e-8, 0.1, decoupled, 0.5, t};
      adam_step(p, g, m, v, step);
      adam_composition(p2, g, m2, v2, step);
      CHECK(largest_difference(p, p2) < 1e-12);
      CHECK(largest_difference(m, m2) < 1e-12);
      CHECK(largest_difference(v, v2) < 1e-12);
    }
  }
}

// The gradient of a table of embeddings, of which ids 0, 3, 6, .. are used, some of them twice.
Tensor gradient_of_table(std::int64_t rows, std::int64_t features, DType dtype) {
  manual_seed(11);
  const Tensor table = randn({rows, features}, 0, 1, dtype).requires_grad_();
  const Tensor ids = cat({arange(0, static_cast<double>(rows), 3), arange(0, 30, 6)}, 0);
  const Tensor vectors = embedding(table, ids);
  sum(vectors * randn(vectors.shape(), 0, 1, dtype)).backward();
  return table.grad();
}

TEST_CASE("rows of a gradient that nobody wrote count as the zeros they are, in every bit") {
  // The sum of squares, and after it all that a step leaves.
  const auto step_by = [](const Tensor& g) {
    std::vector<double> result{sum_of_squares(g)};
    manual_seed(13);
    Tensor p = randn(g.shape(), 0, 1, g.dtype()), m = randn(g.shape(), 0, 1, g.dtype());
    Tensor v = rand(g.shape(), 0, 1, g.dtype());
    adam_step(p, g, m, v, {1e-2, 0.9, 0.99, 1e-8, 0.1, false, 0.5, 3});
    for (const Tensor& left : {p, m, v}) {
      const std::vector<double> values = left.to_vector<double>();
      result.insert(result.end(), values.begin(), values.end());
    }
    return result;
  };
  for (const DType dtype : {DType::float32, DType::float64}) {
    for (const std::int64_t features : {16, 24, 96, 100}) {
      const Tensor unwritten = gradient_of_table(301, features, dtype);
      const Tensor whole = gradient_of_table(301, features, dtype).clone();
      const Storage& storage = *unwritten.handle()->storage;
      REQUIRE(storage.written_rows() != nullptr);
      REQUIRE(whole.handle()->storage->written_rows() == nullptr);
      CHECK(step_by(unwritten) == step_by(whole));
      // Rows that are no whole number of vectors are written after all.
      CHECK((storage.written_rows() != nullptr) == (features % 16 == 0));
    }
  }
}

// With a gradient of 1 the moments' corrections cancel: each step moves by the learning rate.
TEST_CASE("under a constant gradient every step is the learning rate") {
  Tensor p = zeros({3}, DType::float64).requires_grad_();
  Adam adam({p}, {.learning_rate = 0.25, .epsilon = 0});
  for (int k = 1; k <= 5; ++k) {
    p.set_grad(full({3}, 4, DType::float64));
    adam.step();
    CHECK(p.at({0}) == doctest::Approx(-0.25 * k).epsilon(1e-12));
  }
}

TEST_CASE("Adam finds the minimum of a quadratic and skips what has no gradient") {
  Tensor p = tensor({5, -3}, DType::float64).requires_grad_();
  const Tensor idle = tensor({1}, DType::float64).requires_grad_();
  Adam adam({p, idle}, {.learning_rate = 0.1});
  for (int k = 0; k < 500; ++k) {
    adam.zero_grad();
    sum(square(p - tensor({1, 2}, DType::float64))).backward();
    adam.step();
  }
  CHECK(p.at({0}) == doctest::Approx(1).epsilon(1e-3));
  CHECK(p.at({1}) == doctest::Approx(2).epsilon(1e-3));
  CHECK(idle.at({0}) == 1);
}

TEST_CASE("a restored Adam goes on in the same bits") {
  manual_seed(3);
  const Tensor start = randn({20});
  const auto run = [&](int interrupted_after) {
    Tensor p = start.clone().requires_grad_();
    Adam adam({p}, {.learning_rate = 0.05});
    for (int k = 0; k < 10; ++k) {
      if (k == interrupted_after) {
        const NamedTensors state = adam.state_dict();
        adam = Adam({p}, {.learning_rate = 0.05});
        adam.load_state_dict(state);
      }
      adam.zero_grad();
      sum(sin(p)).backward();
      adam.step(0.5);
    }
    return p.to_vector<float>();
  };
  CHECK(run(-1) == run(4));
}

TEST_CASE("a state that does not fit changes nothing") {
  Tensor p = ones({2}).requires_grad_();
  Adam adam({p});
  NamedTensors state = adam.state_dict();
  state.pop_back();
  CHECK_THROWS_WITH_AS(adam.load_state_dict(state),
                       "Adam: the state to load has no 'exp_avg_sq.0' of shape [2], dtype float32.",
                       Error);
}

TEST_CASE("options out of range are refused") {
  const Tensor p = ones({2}).requires_grad_();
  CHECK_THROWS_AS(Adam({p}, {.beta1 = 1}), Error);
  CHECK_THROWS_AS(Adam({p}, {.learning_rate = -1}), Error);
  CHECK_THROWS_AS(Adam({ones({2})}), Error);
}

}  // namespace
}  // namespace attune::optim
