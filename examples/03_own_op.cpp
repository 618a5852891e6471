// An op of one's own: what it computes, and the proof of its derivatives.

#include "examples/own_op.h"

#include <iostream>

#include "autograd/gradcheck.h"
#include "autograd/random.h"

int main() {
  using namespace attune;
  manual_seed(1);
  const Tensor a = tensor({{0, 0}, {3, 4}}, DType::float64).requires_grad_();
  const Tensor b = tensor({{0, 0}, {0, 1}, {6, 8}}, DType::float64).requires_grad_();
  const Tensor d = squared_distances(a, b);
  sum(d).backward();
  std::cout << "squared distances\n" << d.detach() << "\ngradient of their sum by a\n" << a.grad();

  const auto f = [](const std::vector<Tensor>& x) { return squared_distances(x[0], x[1]); };
  std::cout << "\n\nfirst derivatives:  " << gradcheck(f, {a, b})
            << "\nsecond derivatives: " << gradgradcheck(f, {a, b}) << "\n\nand misuse:\n";
  try {
    squared_distances(a, transpose(b));
  } catch (const Error& error) {
    std::cout << error.what() << '\n';
  }
  return gradcheck(f, {a, b}) && gradgradcheck(f, {a, b}) ? 0 : 1;
}
