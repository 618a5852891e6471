// The op and the layer that the README shows how to write.

#include <doctest/doctest.h>

#include "autograd/gradcheck.h"
#include "block_2.h"
#include "block_3.h"

using namespace attune;

TEST_CASE("the README's op has the derivatives it says it has") {
  const Tensor x = tensor({-2, -0.5, 0.1, 3}, DType::float64).requires_grad_();
  CHECK(softsign(x).at({3}) == doctest::Approx(0.75));
  const auto f = [](const std::vector<Tensor>& inputs) { return softsign(inputs[0]); };
  CHECK(gradcheck(f, {x}));
  CHECK(gradgradcheck(f, {x}));
}

TEST_CASE("the README's layer is registered, and carries its input through a closed gate") {
  Highway layer(3);
  CHECK(layer.state_dict().size() == 4);
  {
    const NoGrad no_grad;
    layer.gate.bias.fill_(-1000);
  }
  const Tensor x = tensor({{1, -2, 3}});
  CHECK(layer.forward(x).to_vector<double>() == x.to_vector<double>());
}
