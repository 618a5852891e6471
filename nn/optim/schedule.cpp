#include "nn/optim/schedule.h"

#include <algorithm>

namespace attune::optim {

double warm_up(std::int64_t step, std::int64_t steps) {
  return step < steps ? static_cast<double>(step) / static_cast<double>(steps) : 1;
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
