// The cost of recording one add of two 1-element tensors, and of running it backward, in
// nanoseconds: a chain of 1000 of them, repeated for a while. Prints one JSON line a measurement.

#include <chrono>
#include <vector>

#include "autograd/ops.h"
#include "tests/bench/measure.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr int chain = 1000;
constexpr int repetitions = 2000;

double nanoseconds_each(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double, std::nano>(end - start).count() / chain;
}

}  // namespace

int main() {
  attune::Tensor a = attune::ones({1}).requires_grad_();
  const attune::Tensor b = attune::ones({1}).requires_grad_();
  std::vector<double> forward;
  std::vector<double> backward;
  for (int i = 0; i < repetitions; ++i) {
    attune::Tensor sum = a;
    const auto start = Clock::now();
    for (int k = 0; k < chain; ++k) sum = sum + b;
    const auto recorded = Clock::now();
    sum.backward();
    const auto done = Clock::now();
    forward.push_back(nanoseconds_each(start, recorded));
    backward.push_back(nanoseconds_each(recorded, done));
  }
  bench::print("attune", "record_add", 1, "ns", false, forward);
  bench::print("attune", "backward_add", 1, "ns", false, backward);
}
