// A gradient by hand and by the engine. One neuron says y = tanh(w x + b), and is wrong by
// (y - t)^2; how must w and b change?

#include <fmt/format.h>

#include <cmath>

#include "autograd/ops.h"

int main() {
  using namespace attune;
  const double x = 2, t = 0.5;

  // By hand: forwards, keeping what comes by, and then the chain rule backwards.
  const double w = 0.3, b = -0.1;
  const double z = w * x + b;
  const double y = std::tanh(z);
  const double loss = (y - t) * (y - t);
  const double by_y = 2 * (y - t);         // d loss / d y
  const double by_z = by_y * (1 - y * y);  // tanh' = 1 - tanh^2
  const double by_w = by_z * x;
  const double by_b = by_z;
  fmt::print("by hand     loss {:.6f}   d/dw {:+.6f}   d/db {:+.6f}\n", loss, by_w, by_b);

  // By the engine: write the forward pass, and ask.
  Tensor weight = scalar(w, DType::float64).requires_grad_();
  Tensor bias = scalar(b, DType::float64).requires_grad_();
  const Tensor error = square(tanh(weight * x + bias) - t);
  error.backward();
  fmt::print("by engine   loss {:.6f}   d/dw {:+.6f}   d/db {:+.6f}\n\n", error.item(),
             weight.grad().item(), bias.grad().item());
  const bool agree =
      std::abs(weight.grad().item() - by_w) < 1e-12 && std::abs(bias.grad().item() - by_b) < 1e-12;

  // What a gradient is for: a step against it makes the loss smaller.
  for (int step = 1; step <= 5; ++step) {
    weight.zero_grad();
    bias.zero_grad();
    const Tensor now = square(tanh(weight * x + bias) - t);
    now.backward();
    fmt::print("step {}   loss {:.6f}\n", step, now.item());
    const NoGrad no_grad;
    weight.add_(weight.grad(), -0.1);
    bias.add_(bias.grad(), -0.1);
  }
  return agree ? 0 : 1;
}
