#include "nn/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "autograd/random.h"
#include "nn/data/buckets.h"
#include "nn/data/tokenizer.h"
#include "nn/optim/clip.h"

namespace attune::nn {
namespace {

using data::Pair;
using data::Vocabulary;

// Adds the time that it lives to a total.
class Stopwatch {
 public:
  explicit Stopwatch(double& total) : total_(total) {}
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  ~Stopwatch() { total_ += seconds(); }
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  double& total_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void check(const TrainerOptions& options, const std::vector<Pair>& train) {
  const auto require = [](bool holds, const char* sentence) {
    if (!holds) throw Error(fmt::format("Trainer: {}.", sentence));
  };
  require(!train.empty(), "there are no pairs to train with");
  require(options.batch >= 1, "a batch must have at least one pair");
  require(options.learning_rate > 0, "the learning rate must be above 0");
  require(options.schedule == RateSchedule::plateau || options.cosine_steps >= 1,
          "a cosine must fall over at least one step");
  require(options.clip > 0, "the norm to clip at must be above 0");
  require(options.validate_every >= 1, "validations must lie at least one step apart");
}

std::vector<std::size_t> lengths(const std::vector<Pair>& pairs, std::string Pair::*side,
                                 data::Tokens tokens) {
  std::vector<std::size_t> result;
  for (const Pair& pair : pairs) result.push_back(tokenize(pair.*side, tokens).size());
  return result;
}

void require_finite(double value, const char* what, std::int64_t step) {
  if (std::isfinite(value)) return;
  throw Error(fmt::format("Training: the {} of step {} is {}. Try a lower learning rate.", what,
                          step, value));
}

}  // namespace

Trainer::Trainer(const Translator& translator, std::vector<Pair> train, std::vector<Pair> valid,
                 const TrainerOptions& options)
    : translator_(translator),
      model_(translator.model()),
      train_(std::move(train)),
      valid_(std::move(valid)),
      source_lengths_(lengths(train_, &Pair::source, translator.tokens().source)),
      target_lengths_(lengths(train_, &Pair::target, translator.tokens().target)),
      options_(options),
      parameters_(model_.parameters()),
      adam_(parameters_, {.learning_rate = options.learning_rate}),
      plateau_(options.plateau),
      average_(parameters_, options.average) {
  check(options_, train_);
}

std::int64_t Trainer::steps_per_epoch() const {
  return (static_cast<std::int64_t>(train_.size()) + options_.batch - 1) / options_.batch;
}

namespace {

// The limit that is reached, if one is.
std::optional<Ending> limit_reached(const TrainingLimits& limits, std::int64_t steps,
                                    std::int64_t epochs, std::int64_t since_best,
                                    double exact_match) {
  if (limits.exact_match > 0 && exact_match >= limits.exact_match) return Ending::exact_match;
  if (limits.patience > 0 && since_best >= limits.patience) return Ending::patience;
  if (limits.steps > 0 && steps >= limits.steps) return Ending::steps;
  if (limits.epochs > 0 && epochs >= limits.epochs) return Ending::epochs;
  return std::nullopt;
}

}  // namespace

Ending Trainer::run(const TrainingLimits& limits, const TrainingObserver& observer) {
  for (;;) {
    const auto reached =
        limit_reached(limits, step_, epoch_, standing_.since_best,
                      std::min(standing_.exact_match, standing_.exact_match_before));
    if (reached) return *reached;
    const StepReport report = step();
    std::optional<Validation> validation;
    if (!valid_.empty() && step_ % options_.validate_every == 0) validation = validate();
    if (!observer(report, validation ? &*validation : nullptr)) return Ending::stopped;
  }
}

StepReport Trainer::step() {
  const Stopwatch watch(seconds_);
  StepReport report;
  report.step = step_ + 1;
  report.learning_rate = learning_rate(report.step);

  model_.train();
  if (batches_.empty()) plan_epoch();
  const std::vector<std::size_t> indices = batches_[used_++];
  const Batch batch = batch_of(indices);
  const Tensor loss = model_.loss(batch, options_.label_smoothing, options_.scheduled_sampling);
  report.loss = loss.item();
  require_finite(report.loss, "loss", report.step);
  adam_.zero_grad();
  loss.backward();
  report.gradient_norm = optim::gradient_norm(parameters_);
  require_finite(report.gradient_norm, "norm of the gradient", report.step);
  adam_.set_learning_rate(report.learning_rate);
  adam_.step(optim::clip_scale(report.gradient_norm, options_.clip));
  average_.update();

  ++step_;
  if (used_ == batches_.size()) {
    ++epoch_;
    used_ = 0;
    batches_.clear();
  }
  for (const std::size_t i : indices) {
    report.tokens += static_cast<std::int64_t>(source_lengths_[i] + target_lengths_[i]);
  }
  report.seconds = watch.seconds();
  return report;
}

double Trainer::learning_rate(std::int64_t step) const {
  constexpr double lowest = 0.01;
  const double warm = options_.learning_rate * optim::warm_up(step, options_.warmup);
  return options_.schedule == RateSchedule::plateau
             ? warm * plateau_.factor()
             : warm * optim::cosine(step - 1, options_.cosine_steps, lowest);
}

// The order of an epoch is a function of the seed and its number: each has a stretch of the
// generator's numbers of its own, beyond those that dropout will ever reach.
void Trainer::plan_epoch() {
  Generator order(options_.seed, static_cast<std::uint64_t>(epoch_ + 1) << 40);
  batches_ = data::shuffled_batches(source_lengths_, target_lengths_,
                                    static_cast<std::size_t>(options_.batch), order);
}

Batch Trainer::batch_of(const std::vector<std::size_t>& indices) const {
  std::vector<Pair> pairs;
  for (const std::size_t i : indices) pairs.push_back(train_[i]);
  return translator_.batch(pairs);
}

Validation Trainer::validate() {
  const Stopwatch watch(seconds_);
  const ParameterAverage::InPlace use(average_);
  model_.eval();
  Validation validation;
  validation.step = step_;
  validation.evaluation =
      translator_.evaluate(valid_, {.max_length = options_.max_length, .keep_weights = false});
  validation.best = keep_if_best(validation.evaluation);
  plateau_.report(std::log(validation.evaluation.perplexity));
  standing_.exact_match_before =
      std::exchange(standing_.exact_match, validation.evaluation.exact_match);
  return validation;
}

bool Trainer::keep_if_best(const Evaluation& evaluation) {
  const bool words = translator_.tokens().target == data::Tokens::word;
  const Criterion criterion =
      options_.best_by.value_or(words ? Criterion::bleu : Criterion::exact_match);
  const double score = criterion == Criterion::bleu ? evaluation.bleu : evaluation.exact_match;
  const bool better =
      standing_.best_step == 0 || score > standing_.best_score ||
      (score == standing_.best_score && evaluation.perplexity < standing_.best_perplexity);
  ++standing_.since_best;
  if (!better) return false;
  standing_.best_step = step_;
  standing_.best_score = score;
  standing_.best_perplexity = evaluation.perplexity;
  standing_.since_best = 0;
  best_ = model_.state_dict();
  return true;
}

NamedTensors Trainer::best() const {
  if (!best_.empty()) return best_;
  const ParameterAverage::InPlace use(average_);
  return model_.state_dict();
}

namespace {

// FNV-1a over the texts in their order.
std::uint64_t fingerprint(std::initializer_list<const std::vector<Pair>*> sets) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](const std::string& text, unsigned char end) {
    const auto mix = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3u; };
    for (const char c : text) mix(static_cast<unsigned char>(c));
    mix(end);
  };
  for (const std::vector<Pair>* pairs : sets) {
    for (const Pair& pair : *pairs) {
      add(pair.source, '\t');
      add(pair.target, '\n');
      for (const std::string& other : pair.alternatives) add(other, '\r');
    }
    add("", '\0');
  }
  return hash;
}

}  // namespace

// The numbers of TrainingState::values, each listed once for both ways.
struct Trainer::Values {
  std::uint64_t pairs = 0;  // their fingerprint
  std::uint64_t random_seed = 0;
  std::uint64_t random_offset = 0;
  optim::ReduceOnPlateau::State plateau;
  Standing standing;

  template <class F>
  void each(const F& f) {
    f("pairs", pairs);
    f("random seed", random_seed);
    f("random offset", random_offset);
    f("plateau factor", plateau.factor);
    f("plateau best", plateau.best);
    f("plateau waited", plateau.waited);
    f("best step", standing.best_step);
    f("best score", standing.best_score);
    f("best perplexity", standing.best_perplexity);
    f("validations since best", standing.since_best);
    f("exact match", standing.exact_match);
    f("exact match before", standing.exact_match_before);
  }
};

TrainingState Trainer::state() const {
  TrainingState state;
  state.step = step_;
  state.epoch = epoch_;
  state.batch = static_cast<std::int64_t>(used_);
  state.seconds = seconds_;
  const bool newest_is_best = best_.empty() || standing_.best_step == step_;
  if (average_.on() || !newest_is_best) state.parameters = model_.state_dict();
  state.optimiser = adam_.state_dict();
  state.average = average_.state_dict();
  const Generator& random = default_generator();
  Values values{fingerprint({&train_, &valid_}), random.seed(), random.offset(), plateau_.state,
                standing_};
  // fmt prints the shortest digits that read back as the same number.
  values.each([&](const char* name, const auto& number) {
    state.values[name] = fmt::format("{}", number);
  });
  return state;
}

void Trainer::restore(const NamedTensors& best, const TrainingState& state) {
  const auto damaged = [](const std::string& what) {
    throw Error(fmt::format("The state of training is damaged: {}.", what));
  };
  Values values;
  values.each([&](const char* name, auto& number) {
    const auto found = state.values.find(name);
    if (found == state.values.end()) damaged(fmt::format("it lacks the {}", name));
    const std::string& text = found->second;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end) damaged(fmt::format("the {} is '{}'", name, text));
  });
  if (values.pairs != fingerprint({&train_, &valid_})) {
    throw Error("The pairs are not those that this training began with.");
  }
  if (state.step < 0 || state.epoch < 0 || state.batch < 0 || state.batch >= steps_per_epoch()) {
    damaged(fmt::format("step {}, epoch {}, batch {}", state.step, state.epoch, state.batch));
  }
  model_.load_state_dict(state.parameters.empty() ? best : state.parameters);
  adam_.load_state_dict(state.optimiser);
  average_.load_state_dict(state.average, state.step);
  step_ = state.step;
  epoch_ = state.epoch;
  used_ = static_cast<std::size_t>(state.batch);
  plan_epoch();
  seconds_ = state.seconds;
  plateau_.state = values.plateau;
  standing_ = values.standing;
  best_ = standing_.best_step == 0 ? NamedTensors() : best;
  default_generator() = Generator(values.random_seed, values.random_offset);
}

}  // namespace attune::nn
