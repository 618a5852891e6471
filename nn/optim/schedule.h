#pragma once
// How the learning rate changes while a model is trained. Each schedule gives a factor of the full
// rate.

#include <cstdint>
#include <limits>

namespace attune::optim {

// Rises linearly from 1 / steps at step 1 to 1 at step `steps`, and stays.
double warm_up(std::int64_t step, std::int64_t steps);

// Falls along half a cosine from 1 at step 0 to `lowest` at step `steps`, and stays (Loshchilov &
// Hutter 2017).
double cosine(std::int64_t step, std::int64_t steps, double lowest = 0);

// factor^(step / every), rounded down: a drop every so many steps.
double step_decay(std::int64_t step, std::int64_t every, double factor);

// factor^step.
double exponential(std::int64_t step, double factor);

// Rises linearly over `warmup` steps, then falls as 1 / sqrt(step) (Vaswani et al. 2017); 1 at step
// `warmup`.
double inverse_square_root(std::int64_t step, std::int64_t warmup);

struct PlateauOptions {
  double factor = 0.5;        // of the rate, at every drop
  std::int64_t patience = 3;  // reports in a row without improvement that are borne
  double threshold = 1e-3;    // a loss below (1 - threshold) times the best is an improvement
  double smallest = 0.01;     // the factor never falls below
};

// Drops when a loss has stopped falling. Its state is public, to be saved and restored.
class ReduceOnPlateau {
 public:
  explicit ReduceOnPlateau(const PlateauOptions& options = {}) : options_(options) {}

  // Takes the latest validation loss; the factor from now on.
  double report(double loss);
  double factor() const { return state.factor; }

  struct State {
    double factor = 1;
    double best = std::numeric_limits<double>::infinity();
    std::int64_t waited = 0;
  };
  State state;

 private:
  PlateauOptions options_;
};

}  // namespace attune::optim
