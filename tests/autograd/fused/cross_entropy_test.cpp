// The loss from logits, which has a kernel of its own, against nll_loss of log_softmax: values and
// gradients.

#include <doctest/doctest.h>

#include <vector>

#include "autograd/functional.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;

namespace {

constexpr std::int64_t no_class = -100;

Tensor composition(const Tensor& logits, const Tensor& targets, double smoothing,
                   Reduction reduction) {
  const Tensor log_probabilities = log_softmax(logits, -1);
  const Tensor of_target = nll_loss(log_probabilities, targets, no_class, Reduction::none);
  const Tensor smooth =
      masked_fill(mean(log_probabilities, {-1}), eq(targets, static_cast<double>(no_class)), 0);
  const Tensor losses = (1 - smoothing) * of_target - smoothing * smooth;
  if (reduction == Reduction::none) return losses;
  const Tensor counted = ne(targets, static_cast<double>(no_class)).to(logits.dtype());
  return reduction == Reduction::sum ? sum(losses) : sum(losses) / sum(counted);
}

void check_against_composition(const Shape& rows, std::int64_t classes, DType dtype,
                               double tolerance) {
  Shape shape = rows;
  shape.push_back(classes);
  const Tensor logits = randn(shape, 0, 3, dtype).requires_grad_();
  Tensor targets = random_targets(rows, classes);
  if (numel(rows) > 4) targets = masked_fill(targets, lt(randn(rows), -0.7), no_class);
  for (const double smoothing : {0.0, 0.3, 1.0}) {
    CAPTURE(smoothing);
    for (const Reduction reduction : {Reduction::none, Reduction::sum, Reduction::mean}) {
      const Tensor fused = cross_entropy(logits, targets, no_class, smoothing, reduction);
      const Tensor defined = composition(logits, targets, smoothing, reduction);
      REQUIRE(fused.shape() == defined.shape());
      CHECK(difference(fused, defined) < tolerance * static_cast<double>(numel(rows) + 1));
      const Tensor g = randn(fused.shape(), 0, 1, dtype);
      CHECK(difference(functional::pull_back({fused}, {logits}, {g})[0],
                       functional::pull_back({defined}, {logits}, {g})[0]) < tolerance);
    }
  }
}

}  // namespace

TEST_CASE("the kernel computes what the composition says, forward and backward") {
  manual_seed(143);
  struct Size {
    Shape rows;
    std::int64_t classes;
  };
  for (const Size& size : {Size{{4, 3}, 7}, Size{{1}, 1}, Size{{}, 5}, Size{{700}, 131}}) {
    CAPTURE(to_string(size.rows));
    check_against_composition(size.rows, size.classes, DType::float64, 1e-12);
    check_against_composition(size.rows, size.classes, DType::float32, 2e-5);
  }
}
