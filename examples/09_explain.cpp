// The graph explorer: writes the page of a small expression, and that of a step of attention whose
// derivatives are checked. `explain [FOLDER]`; open the pages in a browser.

#include "autograd/explain.h"

#include <iostream>

#include "autograd/ops.h"
#include "autograd/random.h"
#include "autograd/scope.h"
#include "nn/attention.h"

int main(int argc, char** argv) {
  using namespace attune;
  const std::string folder = argc > 1 ? argv[1] : ".";
  manual_seed(1);

  // An ordinary graph. The Recording keeps statistics of its values, which the graph does not hold.
  const Tensor x = tensor({{1, 2}, {3, 4}}).requires_grad_();
  const Tensor w = tensor({{0.5, -1}, {0.25, 2}}).requires_grad_();
  Explanation small;
  {
    const Recording recording;
    const Tensor loss = mean(tanh(matmul(x, transpose(w))));
    small = explain(loss, {.title = "mean(tanh(x w^T))", .names = {{"x", x}, {"w", w}}});
  }
  small.write(folder + "/expression.html");
  std::cout << small.text() << '\n';

  // Given a function, explain() can compute it again, and hold every derivative against
  // differences.
  const nn::AdditiveScore score(8, 8, 16);
  const Tensor query = randn({2, 1, 8}).requires_grad_();
  const Tensor states = randn({2, 5, 8}).requires_grad_();
  const auto step = [&] {
    const Scope decoder("decoder");
    const Scope in("attention");
    return sum(square(nn::attend(score, query, states, states).context));
  };
  auto names = score.named_parameters();
  names.emplace_back("query", query);
  names.emplace_back("states", states);
  const Explanation attention =
      explain(step, {.title = "a step of attention", .names = names, .check = true});
  attention.write(folder + "/attention.html");
  attention.write(folder + "/attention.dot");

  std::size_t wrong = 0;
  for (const Explanation::Node& node : attention.nodes) {
    for (const Explanation::Check& check : node.checks) wrong += !check.agrees();
  }
  std::cout << attention.nodes.size() << " nodes of attention, " << wrong
            << " wrong derivatives; see " << folder << "/attention.html\n";
  return wrong == 0 ? 0 : 1;
}
