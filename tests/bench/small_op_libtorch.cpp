// small_op.cpp for libtorch.

#include <torch/torch.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/bench/measure.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr int chain = 1000;
constexpr int repetitions = 500;

double nanoseconds_each(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double, std::nano>(end - start).count() / chain;
}

}  // namespace

int main() {
  torch::set_num_threads(1);
  std::string peer = "libtorch";
  if (const char* const setting = std::getenv("BENCH_SETTING")) peer += std::string("-") + setting;
  const torch::Tensor a = torch::ones({1}, torch::requires_grad());
  const torch::Tensor b = torch::ones({1}, torch::requires_grad());
  std::vector<double> forward;
  std::vector<double> backward;
  for (int i = 0; i < repetitions; ++i) {
    torch::Tensor sum = a;
    const auto start = Clock::now();
    for (int k = 0; k < chain; ++k) sum = sum + b;
    const auto recorded = Clock::now();
    sum.backward();
    const auto done = Clock::now();
    forward.push_back(nanoseconds_each(start, recorded));
    backward.push_back(nanoseconds_each(recorded, done));
  }
  bench::print(peer.c_str(), "record_add", 1, "ns", false, forward);
  bench::print(peer.c_str(), "backward_add", 1, "ns", false, backward);
}
