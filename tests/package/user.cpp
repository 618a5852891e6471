// Trains one layer for a while, with nothing but attune's public headers.

#include <iostream>

#include "autograd/random.h"
#include "nn/linear.h"
#include "nn/optim/adam.h"

int main() {
  using namespace attune;
  manual_seed(1);
  nn::Linear layer(3, 1);
  const Tensor x = randn({64, 3});
  const Tensor y = matmul(x, tensor({{1}, {-2}, {0.5}})) + 0.25;
  optim::Adam adam(layer.parameters(), {.learning_rate = 0.05});
  double loss = 0;
  for (int step = 0; step < 300; ++step) {
    layer.zero_grad();
    const Tensor error = mean(square(layer.forward(x) - y));
    error.backward();
    adam.step();
    loss = error.item();
  }
  std::cout << "loss " << loss << ", weight " << layer.weight.detach() << '\n';
  return loss < 1e-4 ? 0 : 1;
}
