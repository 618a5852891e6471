#include "nn/optim/clip.h"

#include <cmath>

#include "autograd/fused/adam.h"
#include "autograd/ops.h"

namespace attune::optim {

double gradient_norm(const std::vector<Tensor>& parameters) {
  const NoGrad no_grad;
  double total = 0;
  for (const Tensor& parameter : parameters) {
    const Tensor gradient = parameter.grad();
    if (gradient.defined()) total += sum_of_squares(gradient);
  }
  return std::sqrt(total);
}

double clip_scale(double norm, double max_norm) {
  return std::isfinite(norm) && norm > max_norm ? max_norm / norm : 1;
}

double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm) {
  const double norm = gradient_norm(parameters);
  const double scale = clip_scale(norm, max_norm);
  if (scale == 1) return norm;
  const NoGrad no_grad;
  for (const Tensor& parameter : parameters) {
    if (Tensor gradient = parameter.grad(); gradient.defined()) gradient.mul_(scale);
  }
  return norm;
}

void clip_grad_value(const std::vector<Tensor>& parameters, double limit) {
  const NoGrad no_grad;
  for (const Tensor& parameter : parameters) {
    if (Tensor gradient = parameter.grad(); gradient.defined()) {
      gradient.copy_(clamp(gradient, -limit, limit));
    }
  }
}

}  // namespace attune::optim
