// The cost of recording one op on 1-element tensors, and of running it backward. Prints one JSON
// line a measurement.

#include "autograd/ops.h"
#include "tests/bench/measure.h"

int main() {
  const attune::Tensor a = attune::ones({1}).requires_grad_();
  const attune::Tensor b = attune::ones({1}).requires_grad_();
  bench::measure_small_op("attune", a, b, 2000);
}
