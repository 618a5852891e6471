// Cross-entropy from logits, without ever holding their softmax in the forward pass.

#include <fmt/format.h>

#include "autograd/fused/fused.h"
#include "autograd/kernels/softmax.h"
#include "autograd/ops/loss.h"

namespace attune {
namespace {

struct Options {
  std::int64_t ignored;
  double smoothing;
};

// What the kernel computes, in ordinary ops: a loss for every row of [rows, classes].
Tensor composition(Operand logits, const Tensor& targets, Options options) {
  const Tensor ignored = eq(targets, options.ignored);
  const Tensor log_probabilities = log_softmax(logits, -1);
  const Tensor classes = unsqueeze(where(ignored, 0, targets), -1);
  const Tensor of_target = squeeze(gather(log_probabilities, -1, classes), -1);
  Tensor losses = -(1 - options.smoothing) * of_target;
  // Nothing times the mean would be no number where a logit is -inf.
  if (options.smoothing > 0) losses = losses - options.smoothing * mean(log_probabilities, {-1});
  return masked_fill(losses, ignored, 0);
}

Tensor row_losses(Operand logits, const Tensor& targets, Options options) {
  const Tensor rows = logits->detach().contiguous();
  Tensor losses = empty(targets.shape(), logits->dtype());
  Tensor logsumexps = empty(targets.shape(), logits->dtype());
  dispatch_floating(logits->dtype(), [&]<class T>(T) {
    cross_entropy_rows(losses.raw<T>(), logsumexps.raw<T>(), rows.raw<T>(),
                       targets.raw<std::int64_t>(), rows.size(0), rows.size(1), options.ignored,
                       options.smoothing);
  });
  const auto backward = [rows = save(rows), logsumexps = save(logsumexps), targets = save(targets),
                         options](std::span<const Tensor> g, const Needs&) {
    Tensor gradient = empty(rows().shape(), rows().dtype());
    const Tensor incoming = g[0].contiguous();
    dispatch_floating(gradient.dtype(), [&]<class T>(T) {
      cross_entropy_backward_rows(gradient.raw<T>(), incoming.raw<T>(), rows().raw<T>(),
                                  logsumexps().raw<T>(), targets().raw<std::int64_t>(),
                                  gradient.size(0), gradient.size(1), options.ignored,
                                  options.smoothing);
    });
    return std::vector{gradient};
  };
  const auto as_composition = [targets = save(targets),
                               options](const std::vector<Tensor>& inputs) {
    return std::vector{composition(inputs[0], targets(), options)};
  };
  return apply("cross_entropy", std::vector{logits}, std::move(losses),
               fused_rule({logits}, backward, as_composition));
}

void check(Operand logits, Operand targets, std::int64_t ignored, double smoothing) {
  detail::check_floating("cross_entropy", logits);
  detail::check_classes("cross_entropy", logits, targets, ignored);
  if (!(smoothing >= 0 && smoothing <= 1)) {
    misuse("cross_entropy", logits.site(),
           fmt::format("the label smoothing is {}, and must lie between 0 and 1", smoothing));
  }
}

}  // namespace

Tensor cross_entropy(Operand logits, Operand targets, std::int64_t ignore_index,
                     double label_smoothing, Reduction reduction) {
  check(logits, targets, ignore_index, label_smoothing);
  const auto here = [&](const Tensor& x) { return Operand(x, logits.site()); };
  const Tensor flat_targets = reshape(targets->contiguous(), {targets->numel()});
  const Tensor rows = reshape(logits, {targets->numel(), logits->size(-1)});
  const Tensor losses = row_losses(here(rows), flat_targets, {ignore_index, label_smoothing});
  const Tensor shaped = reshape(here(losses), targets->shape());
  return detail::reduce_losses(here(shaped), reduction, detail::counted(targets, ignore_index));
}

}  // namespace attune
