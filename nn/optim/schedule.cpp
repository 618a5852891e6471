#include "nn/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace attune::optim {

double warm_up(std::int64_t step, std::int64_t steps) {
  return step < steps ? static_cast<double>(step) / static_cast<double>(steps) : 1;
}

double cosine(std::int64_t step, std::int64_t steps, double lowest) {
  if (step >= steps) return lowest;
  const double share = static_cast<double>(step) / static_cast<double>(steps);
  return lowest + (1 - lowest) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

double step_decay(std::int64_t step, std::int64_t every, double factor) {
  return std::pow(factor, static_cast<double>(step / every));
}

double exponential(std::int64_t step, double factor) {
  return std::pow(factor, static_cast<double>(step));
}

double inverse_square_root(std::int64_t step, std::int64_t warmup) {
  const double share =
      static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(warmup, 1));
  return share < 1 ? share : 1 / std::sqrt(share);
}

double ReduceOnPlateau::report(double loss) {
  if (loss < state.best * (1 - options_.threshold)) {
    state.best = loss;
    state.waited = 0;
  } else if (++state.waited > options_.patience) {
    state.factor = std::max(state.factor * options_.factor, options_.smallest);
    state.waited = 0;
  }
  return state.factor;
}

}  // namespace attune::optim
