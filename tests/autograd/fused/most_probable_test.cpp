// The fused choice of the most probable class against ordinary ops.
#include "autograd/fused/most_probable.h"

#include <doctest/doctest.h>

#include <limits>

#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

TEST_CASE("the kernel finds what the composition says") {
  manual_seed(211);
  for (const DType dtype : {DType::float32, DType::float64}) {
    for (const std::int64_t n : {1, 2, 15, 16, 17, 63, 64, 65, 200, 3000}) {
      CAPTURE(n);
      const Tensor logits = randn({9, n}, 0, 3, dtype);
      const MostProbable fused = most_probable(logits);
      const MostProbable defined = most_probable_composition(logits);
      CHECK(fused.classes.to_vector<std::int64_t>() == defined.classes.to_vector<std::int64_t>());
      CHECK(difference(fused.log_probabilities, defined.log_probabilities) <
            (dtype == DType::float32 ? 1e-5 : 1e-13));
    }
  }
}

TEST_CASE("of equal logits the first is chosen, and one that is certain costs nothing") {
  CHECK(most_probable(zeros({1, 40})).classes.item() == 0);
  Tensor ties = zeros({1, 100});
  select(select(ties, 0, 0), 0, 70).fill_(2);
  select(select(ties, 0, 0), 0, 90).fill_(2);
  CHECK(most_probable(ties).classes.item() == 70);
  const double infinity = std::numeric_limits<double>::infinity();
  const MostProbable certain = most_probable(tensor({{-infinity, 4.0, -infinity}}));
  CHECK(certain.classes.item() == 1);
  CHECK(certain.log_probabilities.item() == 0);
}

TEST_CASE("logits of another shape are refused, and no row has no answer") {
  CHECK(most_probable(zeros({0, 3})).classes.shape() == Shape{0});
  CHECK_THROWS_WITH_AS(most_probable(zeros({3})), doctest::Contains("the logits are [3]"), Error);
  CHECK_THROWS_WITH_AS(most_probable(zeros({3, 0})), doctest::Contains("at least one class"),
                       Error);
}
