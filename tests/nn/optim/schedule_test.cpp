#include "nn/optim/schedule.h"

#include <doctest/doctest.h>

namespace attune::optim {
namespace {

TEST_CASE("warm_up rises linearly and stays") {
  CHECK(warm_up(1, 4) == 0.25);
  CHECK(warm_up(4, 4) == 1);
  CHECK(warm_up(9, 4) == 1);
  CHECK(warm_up(1, 0) == 1);
}

TEST_CASE("cosine, steps, exponential and inverse square root") {
  using doctest::Approx;
  CHECK(cosine(0, 10) == 1);
  CHECK(cosine(5, 10) == Approx(0.5));
  CHECK(cosine(5, 10, 0.2) == Approx(0.6));
  CHECK(cosine(12, 10, 0.2) == 0.2);
  CHECK(step_decay(9, 10, 0.5) == 1);
  CHECK(step_decay(20, 10, 0.5) == 0.25);
  CHECK(exponential(3, 0.5) == 0.125);
  CHECK(inverse_square_root(50, 100) == 0.5);
  CHECK(inverse_square_root(100, 100) == 1);
  CHECK(inverse_square_root(400, 100) == Approx(0.5));
}

TEST_CASE("ReduceOnPlateau drops after patience has run out, and goes on from its state") {
  ReduceOnPlateau plateau({.factor = 0.5, .patience = 1, .threshold = 0.1, .smallest = 0.2});
  CHECK(plateau.report(1) == 1);
  CHECK(plateau.report(0.95) == 1);    // no improvement by a tenth: waited 1
  CHECK(plateau.report(0.95) == 0.5);  // waited 2
  ReduceOnPlateau resumed({.factor = 0.5, .patience = 1, .threshold = 0.1, .smallest = 0.2});
  resumed.state = plateau.state;
  CHECK(resumed.report(0.5) == 0.5);
  CHECK(resumed.report(0.5) == 0.5);
  CHECK(resumed.report(0.5) == 0.25);
  resumed.report(0.5);
  CHECK(resumed.report(0.5) == 0.2);
}

}  // namespace
}  // namespace attune::optim
