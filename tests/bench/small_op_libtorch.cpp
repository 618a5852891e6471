// small_op.cpp for libtorch.

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int chain = 1000;
constexpr int repetitions = 500;

double nanoseconds_each(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double, std::nano>(end - start).count() / chain;
}

void print(const char* what, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return times[static_cast<std::size_t>(share * repetitions)];
  };
  std::printf(
      "{\"peer\":\"libtorch\",\"bench\":\"%s\",\"threads\":1,\"median\":%.1f,\"p10\":%.1f,"
      "\"p90\":%.1f,\"best\":%.1f,\"unit\":\"ns\",\"n\":%d}\n",
      what, at(0.5), at(0.1), at(0.9), times.front(), repetitions);
}

}  // namespace

int main() {
  torch::set_num_threads(1);
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
  print("record_add", forward);
  print("backward_add", backward);
}
