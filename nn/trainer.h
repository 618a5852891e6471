#pragma once
// The training loop: batches of similar length, cross-entropy, clipping, Adam, validation. All that
// the next step depends on can be captured and restored, so that a run that was interrupted ends in
// the very bits of one that was not.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nn/average.h"
#include "nn/checkpoint.h"
#include "nn/data/pairs.h"
#include "nn/optim/adam.h"
#include "nn/optim/schedule.h"
#include "nn/translator.h"

namespace attune::nn {

// How the learning rate changes once it has warmed up: it is halved when the validation loss stands
// still, or falls along half a cosine to a hundredth.
enum class RateSchedule { plateau, cosine };

// By what a validation is the best: the share of answers that are exactly right, or BLEU; by
// perplexity where these agree.
enum class Criterion { exact_match, bleu };

struct TrainerOptions {
  std::uint64_t seed = 1;       // of the order of the pairs
  std::int64_t batch = 64;      // pairs a step
  double learning_rate = 3e-3;  // of Adam, once warmed up
  std::int64_t warmup = 100;    // steps in which the learning rate rises
  RateSchedule schedule = RateSchedule::plateau;
  std::int64_t cosine_steps = 0;     // at which the cosine has fallen to its end
  double clip = 1;                   // gradients are scaled down to this norm
  double label_smoothing = 0;        // see cross_entropy()
  double scheduled_sampling = 0;     // see Seq2Seq::forward()
  double average = 0;                // decay of the ParameterAverage that is validated and kept; 0:
                                     // the parameters themselves are
  std::optional<Criterion> best_by;  // by default BLEU for targets of words, else exact match
  std::int64_t validate_every = 100;  // steps
  optim::PlateauOptions plateau;      // of the validation loss
  std::int64_t max_length = 100;      // of the translations made to validate, in tokens
};

// When training ends. 0: no such limit.
struct TrainingLimits {
  std::int64_t steps = 0;     // taken since the very beginning
  std::int64_t epochs = 0;    // likewise
  std::int64_t patience = 0;  // validations in a row without a new best
  double exact_match = 0;     // that two validations in a row reach
};

enum class Ending { steps, epochs, patience, exact_match, stopped };

struct StepReport {
  std::int64_t step = 0;  // steps taken, this one included
  double loss = 0;        // the mean over the target tokens of the batch, smoothed labels and all
  double gradient_norm = 0;  // before clipping
  double learning_rate = 0;
  std::int64_t tokens = 0;  // source and target, without padding
  double seconds = 0;
};

struct Validation {
  std::int64_t step = 0;
  Evaluation evaluation;
  bool best = false;  // so far
};

// Called after every step, with the validation that followed it or null: Trainer::state() may be
// captured. The answer is whether to go on.
using TrainingObserver = std::function<bool(const StepReport&, const Validation*)>;

class Trainer {
 public:
  // Trains the translator's model. Dropout and scheduled sampling draw from default_generator().
  // Error where there is no pair to train with, or an option makes no sense.
  Trainer(const Translator& translator, std::vector<data::Pair> train,
          std::vector<data::Pair> valid, const TrainerOptions& options);

  // Steps, with a validation every so often where there are pairs for it, until a limit is reached
  // or the observer wants no more; none where a limit is reached already.
  Ending run(const TrainingLimits& limits, const TrainingObserver& observer);

  // One step on the next batch. Error, with the parameters as they were, when the loss or the
  // gradient is not finite.
  StepReport step();
  // Evaluates the model on the validation pairs, and tells the schedule. The best parameters so far
  // are kept.
  Validation validate();
  // The model is what validate() evaluates for as long as the answer lives.
  ParameterAverage::InPlace averaged() { return ParameterAverage::InPlace(average_); }

  std::int64_t steps() const { return step_; }
  std::int64_t epochs() const { return epoch_; }
  std::int64_t steps_per_epoch() const;
  double seconds() const { return seconds_; }  // spent in step() and validate()

  // The parameters that validated best; those of the model before any validation.
  NamedTensors best() const;
  // All else that the next step depends on, the state of default_generator() included.
  TrainingState state() const;
  // Goes on where a trainer of the same model with the same pairs and options stood. Error where
  // the pairs or the model are not the same, or the state is damaged; the trainer and its model are
  // not to be used then.
  void restore(const NamedTensors& best, const TrainingState& state);

 private:
  // What the validations so far have found.
  struct Standing {
    std::int64_t best_step = 0;  // 0 before any validation
    double best_score = 0;
    double best_perplexity = 0;
    std::int64_t since_best = 0;  // validations
    double exact_match = 0;       // of the latest validation, and of the one before
    double exact_match_before = 0;
  };
  struct Values;

  double learning_rate(std::int64_t step) const;
  void plan_epoch();
  Batch batch_of(const std::vector<std::size_t>& indices) const;
  bool keep_if_best(const Evaluation& evaluation);

  Translator translator_;
  Seq2Seq model_;
  std::vector<data::Pair> train_, valid_;
  std::vector<std::size_t> source_lengths_, target_lengths_;  // of train_, in tokens
  TrainerOptions options_;

  std::vector<Tensor> parameters_;
  optim::Adam adam_;
  optim::ReduceOnPlateau plateau_;
  ParameterAverage average_;
  Standing standing_;
  NamedTensors best_;
  std::int64_t step_ = 0;
  std::int64_t epoch_ = 0;
  std::size_t used_ = 0;                           // batches of the epoch
  std::vector<std::vector<std::size_t>> batches_;  // of the epoch; empty until the first is wanted
  double seconds_ = 0;
};

}  // namespace attune::nn
