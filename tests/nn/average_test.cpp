// The moving average of parameters, by its formula.

#include "nn/average.h"

#include <doctest/doctest.h>

using namespace attune;
using namespace attune::nn;
using doctest::Approx;

namespace {

double value(const Tensor& tensor) {
  return tensor.to_vector<double>().front();
}

}  // namespace

TEST_CASE("the average follows the parameters, at first closely") {
  Tensor p = tensor({1.0}).requires_grad_();
  ParameterAverage average({p}, 0.25);
  double expected = 1;
  for (int t = 1; t <= 5; ++t) {
    {
      const NoGrad no_grad;
      p.mul_(2);
    }
    average.update();
    const double decay = std::min(0.25, (1.0 + t) / (10.0 + t));
    expected = decay * expected + (1 - decay) * value(p);
  }
  CHECK(value(average.state_dict().front().second) == Approx(expected));
  {
    const ParameterAverage::InPlace use(average);
    CHECK(value(p) == Approx(expected));
  }
  CHECK(value(p) == 32);
}

TEST_CASE("its state comes back, and goes on alike") {
  Tensor p = tensor({1.0}).requires_grad_();
  ParameterAverage first({p}, 0.9), second({p}, 0.9);
  for (int t = 1; t <= 3; ++t) first.update();
  second.load_state_dict(first.state_dict(), 3);
  {
    const NoGrad no_grad;
    p.fill_(5);
  }
  first.update();
  second.update();
  CHECK(value(first.state_dict().front().second) == value(second.state_dict().front().second));
  CHECK_THROWS_AS(second.load_state_dict({}, 3), Error);
  CHECK_THROWS_AS(second.load_state_dict({{"0", zeros({2})}}, 3), Error);
}

TEST_CASE("without a decay nothing is kept, and impossible ones are refused") {
  const Tensor p = tensor({1.0}).requires_grad_();
  ParameterAverage off({p}, 0);
  off.update();
  CHECK_FALSE(off.on());
  CHECK(off.state_dict().empty());
  CHECK_THROWS_AS(ParameterAverage({p}, 1), Error);
  CHECK_THROWS_AS(ParameterAverage({p}, -0.1), Error);
}
