// Losses. Most are elementwise ops of a prediction and a target, and a reduction of what they give.

#include "autograd/ops/loss.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune {
namespace detail {

void check_classes(const char* op, Operand scores, Operand targets, std::int64_t ignored) {
  const Shape& shape = scores->shape();
  const bool fits = scores->rank() >= 1 && targets->dtype() == DType::int64 &&
                    targets->shape() == Shape(std::span(shape.begin(), shape.size() - 1));
  if (!fits) {
    misuse(op, scores.site(),
           fmt::format("scores {} and targets {} {} do not belong together", to_string(shape),
                       name(targets->dtype()), to_string(targets->shape())),
           "Scores are [.., classes], targets int64 [..].");
  }
  const std::vector<std::int64_t> classes = targets->to_vector<std::int64_t>();
  const auto bad = std::find_if(classes.begin(), classes.end(), [&](std::int64_t c) {
    return c != ignored && (c < 0 || c >= shape.back());
  });
  if (bad != classes.end()) {
    misuse(op, scores.site(),
           fmt::format("target {} (element {} of {}) is none of the {} classes", *bad,
                       bad - classes.begin(), to_string(targets->shape()), shape.back()),
           "Positions to leave out carry ignore_index.");
  }
}

std::int64_t counted(Operand targets, std::int64_t ignored) {
  return static_cast<std::int64_t>(sum(to(ne(targets, ignored), DType::int64)).item());
}

Tensor reduce_losses(Operand losses, Reduction reduction, std::int64_t count) {
  if (reduction == Reduction::none) return *losses;
  const Tensor total = sum(losses);
  if (reduction == Reduction::sum) return total;
  if (reduction == Reduction::batchmean) count = losses->rank() == 0 ? 1 : losses->size(0);
  return div({total, losses.site()}, count);
}

}  // namespace detail

namespace {

// The reduction of an elementwise loss. Shapes that merely broadcast are nearly always a mistake.
template <class F, class A, class B>
Tensor loss(OpName name, Operand prediction, Operand target, Reduction reduction, F formula,
            A by_prediction, B by_target) {
  if (prediction->shape() != target->shape()) {
    misuse(name.text, prediction.site(),
           fmt::format("the predictions {} and the targets {} differ in shape",
                       to_string(prediction->shape()), to_string(target->shape())),
           "Reshape one, or expand() it if it is to be repeated.",
           draw_difference(prediction->shape(), target->shape()));
  }
  const Tensor losses = binary(name, prediction, target, formula, by_prediction, by_target);
  return detail::reduce_losses({losses, prediction.site()}, reduction, losses.numel());
}

// g where x is positive, -g where it is negative.
constexpr auto with_sign_of = [](auto x, auto g) {
  return where(x > 0, g, where(x < 0, -g, constant(g, 0)));
};

}  // namespace

Tensor mse_loss(Operand prediction, Operand target, Reduction reduction) {
  return loss(
      "mse_loss", prediction, target, reduction, [](auto x, auto y) { return (x - y) * (x - y); },
      derivative<Uses::both>([](auto g, auto x, auto y) { return g * (x - y) * 2; }),
      derivative<Uses::both>([](auto g, auto x, auto y) { return g * (y - x) * 2; }));
}

Tensor l1_loss(Operand prediction, Operand target, Reduction reduction) {
  return loss(
      "l1_loss", prediction, target, reduction, [](auto x, auto y) { return abs(x - y); },
      derivative<Uses::both>([](auto g, auto x, auto y) { return with_sign_of(x - y, g); }),
      derivative<Uses::both>([](auto g, auto x, auto y) { return with_sign_of(y - x, g); }));
}

Tensor smooth_l1_loss(Operand prediction, Operand target, double beta, Reduction reduction) {
  if (!(beta >= 0)) {
    misuse("smooth_l1_loss", prediction.site(),
           fmt::format("beta is {}, and must not be negative", beta));
  }
  if (beta == 0) return l1_loss(prediction, target, reduction);
  // g d / beta where |d| < beta, else g with the sign of d.
  const auto slope = [beta](auto g, auto d) {
    return where(abs(d) < constant(d, beta), g * d / constant(d, beta), with_sign_of(d, g));
  };
  return loss(
      "smooth_l1_loss", prediction, target, reduction,
      [beta](auto x, auto y) {
        const auto d = abs(x - y);
        return where(d < constant(d, beta), d * d / constant(d, 2 * beta),
                     d - constant(d, beta / 2));
      },
      derivative<Uses::both>([slope](auto g, auto x, auto y) { return slope(g, x - y); }),
      derivative<Uses::both>([slope](auto g, auto x, auto y) { return slope(g, y - x); }));
}

// softplus(x) - t x, which overflows nowhere.
Tensor binary_cross_entropy_with_logits(Operand logits, Operand targets, Reduction reduction) {
  return loss(
      "binary_cross_entropy_with_logits", logits, targets, reduction,
      [](auto x, auto t) { return where(x > 0, x, constant(x, 0)) - t * x + log1p(exp(-abs(x))); },
      derivative<Uses::both>([](auto g, auto x, auto t) { return g * (sigmoid(x) - t); }),
      derivative<Uses::a>([](auto g, auto x) { return -g * x; }));
}

Tensor kl_div(Operand log_probabilities, Operand targets, Reduction reduction) {
  // Where the target is 0, so is t log t.
  constexpr auto log_of = [](auto t) { return log(where(abs(t) > 0, t, constant(t, 1))); };
  return loss(
      "kl_div", log_probabilities, targets, reduction,
      [log_of](auto x, auto t) { return t * (log_of(t) - x); },
      derivative<Uses::b>([](auto g, auto t) { return -g * t; }),
      derivative<Uses::both>([log_of](auto g, auto x, auto t) { return g * (log_of(t) + 1 - x); }));
}

Tensor nll_loss(Operand log_probabilities, Operand targets, std::int64_t ignore_index,
                Reduction reduction) {
  detail::check_floating("nll_loss", log_probabilities);
  detail::check_classes("nll_loss", log_probabilities, targets, ignore_index);
  const Tensor ignored = eq(targets, ignore_index);
  const Tensor classes = unsqueeze(where(ignored, 0, targets), -1);
  const Tensor of_target = squeeze(gather(log_probabilities, -1, classes), -1);
  const Tensor losses = masked_fill(-of_target, ignored, 0);
  return detail::reduce_losses({losses, log_probabilities.site()}, reduction,
                               detail::counted(targets, ignore_index));
}

}  // namespace attune
