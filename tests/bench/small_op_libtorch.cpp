// small_op.cpp for libtorch.

#include <torch/torch.h>

#include <cstdlib>
#include <string>

#include "tests/bench/measure.h"

int main() {
  torch::set_num_threads(1);
  std::string peer = "libtorch";
  if (const char* const setting = std::getenv("BENCH_SETTING")) peer += std::string("-") + setting;
  const torch::Tensor a = torch::ones({1}, torch::requires_grad());
  const torch::Tensor b = torch::ones({1}, torch::requires_grad());
  bench::measure_small_op(peer.c_str(), a, b, 500);
}
