// The training loop: its limits, what it keeps, and that its state is all there is to it.

#include "nn/trainer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "autograd/kernels/parallel.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;
using attune::data::Pair;
using attune::data::Tokens;

namespace {

const std::vector<Pair> pairs{{"abc", "cba"}, {"d", "d"},   {"ab", "ba"}, {"dca", "acd"},
                              {"bb", "bb"},   {"ad", "da"}, {"cd", "dc"}, {"bca", "acb"}};
const std::vector<Pair> valid{{"ac", "ca"}, {"db", "bd"}};

Translator untrained(double dropout = 0, std::int64_t size = 12) {
  manual_seed(71);
  data::TokenCounts counts;
  for (const Pair& pair : pairs) counts.add(tokenize(pair.source, Tokens::character));
  data::Vocabulary vocabulary(counts);
  Seq2SeqOptions options;
  options.source_vocabulary = options.target_vocabulary =
      static_cast<std::int64_t>(vocabulary.size());
  options.embedding = options.hidden = options.attention_size = size;
  options.dropout = dropout;
  return Translator(Seq2Seq(options), Tokens::character, vocabulary, vocabulary);
}

TrainerOptions quick() {
  TrainerOptions options;
  options.batch = 4;
  options.learning_rate = 0.02;
  options.warmup = 5;
  options.validate_every = 10;
  options.max_length = 10;
  return options;
}

Trainer trainer_of(const Translator& translator, const TrainerOptions& options = quick()) {
  return Trainer(translator, pairs, valid, options);
}

bool go_on(const StepReport&, const Validation*) {
  return true;
}

// Every parameter after so many steps, in one vector.
std::vector<double> flat(const NamedTensors& tensors) {
  std::vector<double> values;
  for (const auto& [name, tensor] : tensors) {
    const std::vector<double> more = tensor.to_vector<double>();
    values.insert(values.end(), more.begin(), more.end());
  }
  return values;
}

NamedTensors newest(const Trainer& trainer) {
  const TrainingState state = trainer.state();
  return state.parameters.empty() ? trainer.best() : state.parameters;
}

}  // namespace

TEST_CASE("the loss falls, and the report of a step says what it did") {
  Trainer trainer = trainer_of(untrained());
  const StepReport first = trainer.step();
  CHECK(first.step == 1);
  CHECK(first.tokens > 0);
  CHECK(first.gradient_norm > 0);
  CHECK(first.learning_rate == doctest::Approx(0.02 / 5));
  StepReport last;
  while (trainer.steps() < 60) last = trainer.step();
  CHECK(last.loss < first.loss / 3);
  CHECK(last.learning_rate == doctest::Approx(0.02));
}

TEST_CASE("each limit ends the training, and none is exceeded") {
  {
    Trainer trainer = trainer_of(untrained());
    CHECK(trainer.run({.steps = 7}, go_on) == Ending::steps);
    CHECK(trainer.steps() == 7);
    CHECK(trainer.run({.steps = 7}, go_on) == Ending::steps);
    CHECK(trainer.steps() == 7);
  }
  {
    Trainer trainer = trainer_of(untrained());
    CHECK(trainer.run({.epochs = 3}, go_on) == Ending::epochs);
    CHECK(trainer.steps() == 3 * trainer.steps_per_epoch());
    CHECK(trainer.epochs() == 3);
  }
  {
    TrainerOptions still = quick();
    still.learning_rate = 1e-8;
    Trainer trainer = trainer_of(untrained(), still);
    std::int64_t since_best = 0;
    const auto count = [&](const StepReport&, const Validation* validation) {
      CHECK(since_best < 2);
      if (validation != nullptr) since_best = validation->best ? 0 : since_best + 1;
      return true;
    };
    CHECK(trainer.run({.steps = 3000, .patience = 2}, count) == Ending::patience);
    CHECK(since_best == 2);
  }
  {
    Trainer trainer = Trainer(untrained(), pairs, pairs, quick());
    std::vector<bool> reached;
    const auto note = [&](const StepReport&, const Validation* validation) {
      if (validation != nullptr) reached.push_back(validation->evaluation.exact_match >= 0.9);
      return true;
    };
    CHECK(trainer.run({.steps = 3000, .exact_match = 0.9}, note) == Ending::exact_match);
    const auto twice =
        std::adjacent_find(reached.begin(), reached.end(), [](bool a, bool b) { return a && b; });
    CHECK(twice == reached.end() - 2);
  }
  {
    Trainer trainer = trainer_of(untrained());
    const auto stop_at_5 = [](const StepReport& report, const Validation*) {
      return report.step < 5;
    };
    CHECK(trainer.run({.steps = 50}, stop_at_5) == Ending::stopped);
    CHECK(trainer.steps() == 5);
  }
}

TEST_CASE("the best parameters are those of the best validation") {
  TrainerOptions options = quick();
  options.learning_rate = 0.05;
  Trainer trainer = trainer_of(untrained(), options);
  std::vector<double> best = flat(trainer.best());
  double score = -1, perplexity = 0;
  std::int64_t beaten = 0;
  trainer.run({.steps = 300}, [&](const StepReport&, const Validation* validation) {
    if (validation == nullptr) return true;
    const Evaluation& now = validation->evaluation;
    const bool better =
        now.exact_match > score || (now.exact_match == score && now.perplexity < perplexity);
    CHECK(validation->best == better);
    if (!better) return ++beaten > 0;
    score = now.exact_match;
    perplexity = now.perplexity;
    best = flat(newest(trainer));
    return true;
  });
  CHECK(beaten > 0);
  CHECK(flat(trainer.best()) == best);
}

TEST_CASE("the learning rate falls when the validation loss does not") {
  TrainerOptions options = quick();
  options.validate_every = 1;
  options.warmup = 0;
  options.learning_rate = 1e-7;
  options.plateau.patience = 1;
  Trainer trainer = trainer_of(untrained(), options);
  std::vector<double> rates;
  trainer.run({.steps = 6}, [&](const StepReport& report, const Validation*) {
    rates.push_back(report.learning_rate / 1e-7);
    return true;
  });
  const std::vector<double> expected{1, 1, 1, 0.5, 0.5, 0.25};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(rates[i] == doctest::Approx(expected[i]));
  }
}

TEST_CASE("the learning rate can fall along half a cosine to a hundredth") {
  TrainerOptions options = quick();
  options.warmup = 2;
  options.learning_rate = 1e-3;
  options.schedule = RateSchedule::cosine;
  options.cosine_steps = 9;
  Trainer trainer = trainer_of(untrained(), options);
  std::vector<double> rates;
  for (int step = 0; step < 12; ++step) rates.push_back(trainer.step().learning_rate);
  CHECK(rates[0] == doctest::Approx(0.5e-3));
  CHECK(rates[1] == doctest::Approx(1e-3).epsilon(0.05));
  CHECK(rates[4] == doctest::Approx(0.59e-3).epsilon(0.02));
  CHECK(rates[9] == doctest::Approx(1e-5));
  CHECK(rates[11] == doctest::Approx(1e-5));
  options.cosine_steps = 0;
  CHECK_THROWS_AS(trainer_of(untrained(), options), Error);
}

TEST_CASE("the average of the parameters is what is validated and kept") {
  TrainerOptions options = quick();
  options.average = 0.8;
  const Translator translator = untrained();
  Trainer trainer = trainer_of(translator, options);
  for (int step = 0; step < 20; ++step) trainer.step();
  const std::vector<double> newest = flat(translator.model().state_dict());
  std::vector<double> averaged;
  double perplexity = 0;
  {
    const auto use = trainer.averaged();
    averaged = flat(translator.model().state_dict());
    perplexity = translator.evaluate(valid, {.max_length = 10}).perplexity;
  }
  CHECK(averaged != newest);
  CHECK(flat(translator.model().state_dict()) == newest);
  CHECK(trainer.validate().evaluation.perplexity == doctest::Approx(perplexity));
  CHECK(flat(trainer.best()) == averaged);
  CHECK(flat(trainer.state().parameters) == newest);
}

TEST_CASE("by what a validation is the best can be chosen") {
  // BLEU is 0 where targets are of characters, so that perplexity decides.
  TrainerOptions options = quick();
  for (const Criterion criterion : {Criterion::bleu, Criterion::exact_match}) {
    options.best_by = criterion;
    Trainer trainer = trainer_of(untrained(), options);
    double score = -1, perplexity = 0;
    trainer.run({.steps = 100}, [&](const StepReport&, const Validation* validation) {
      if (validation == nullptr) return true;
      const Evaluation& now = validation->evaluation;
      const double other = criterion == Criterion::bleu ? now.bleu : now.exact_match;
      const bool better = other > score || (other == score && now.perplexity < perplexity);
      CHECK(validation->best == better);
      if (better) {
        score = other;
        perplexity = now.perplexity;
      }
      return true;
    });
  }
}

TEST_CASE("the seed, the clipping and the smoothing of labels change the steps") {
  const auto after = [](const TrainerOptions& options) {
    Trainer trainer = trainer_of(untrained(), options);
    trainer.run({.steps = 3}, go_on);
    return flat(newest(trainer));
  };
  const std::vector<double> plain = after(quick());
  CHECK(after(quick()) == plain);
  TrainerOptions other = quick();
  other.seed = 2;
  CHECK(after(other) != plain);
  other = quick();
  other.label_smoothing = 0.1;
  CHECK(after(other) != plain);
  other = quick();
  other.clip = 1e-12;  // far below Adam's epsilon
  const std::vector<double> clipped = after(other), before = flat(untrained().model().state_dict());
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(std::abs(clipped[i] - before[i]) < 1e-4);
}

TEST_CASE("a restored trainer goes on in the same bits, with dropout and sampling") {
  TrainerOptions options = quick();
  options.batch = 3;
  options.scheduled_sampling = 0.4;
  SUBCASE("") {}
  SUBCASE("with an average, and a rate that falls along a cosine") {
    options.average = 0.9;
    options.schedule = RateSchedule::cosine;
    options.cosine_steps = 40;
  }
  Trainer whole = trainer_of(untrained(0.3), options);
  whole.run({.steps = 35}, go_on);
  // Before any step, at the end of an epoch, within one, at a validation and just after it.
  for (const std::int64_t cut : {0, 3, 7, 10, 11, 24}) {
    CAPTURE(cut);
    Trainer first = trainer_of(untrained(0.3), options);
    while (first.steps() < cut) first.run({.steps = cut}, go_on);
    const TrainingState state = first.state();
    const NamedTensors best = first.best();
    first.step();  // must not touch what was captured
    Trainer second = trainer_of(untrained(0.3), options);
    manual_seed(12345);  // what restore() must replace
    second.restore(best, state);
    second.run({.steps = 35}, go_on);

    CHECK(flat(newest(second)) == flat(newest(whole)));
    CHECK(flat(second.best()) == flat(whole.best()));
    CHECK(flat(second.state().optimiser) == flat(whole.state().optimiser));
    CHECK(flat(second.state().average) == flat(whole.state().average));
    CHECK(second.state().values == whole.state().values);
  }
}

TEST_CASE("a damaged state is refused") {
  Trainer trainer = trainer_of(untrained());
  trainer.step();
  const TrainingState state = trainer.state();
  const auto refused = [&](const TrainingState& damaged, const char* part) {
    Trainer other = trainer_of(untrained());
    CHECK_THROWS_WITH_AS(other.restore(trainer.best(), damaged), doctest::Contains(part), Error);
  };
  TrainingState damaged = state;
  damaged.values.erase("random seed");
  refused(damaged, "it lacks the random seed");
  damaged = state;
  damaged.values["plateau factor"] = "0.5x";
  refused(damaged, "the plateau factor is '0.5x'");
  damaged = state;
  damaged.batch = trainer.steps_per_epoch();
  refused(damaged, "batch 2");
  damaged = state;
  damaged.optimiser.pop_back();
  refused(damaged, "Adam");
  damaged = state;
  damaged.average = {{"0", zeros({1})}};
  refused(damaged, "ParameterAverage");
}

TEST_CASE("the number of threads changes no bit") {
  std::vector<std::vector<double>> results;
  for (const int count : {1, 2, 3}) {
    const Threads threads(count);
    Trainer trainer = trainer_of(untrained(0.2, 160));  // large enough to be shared out
    trainer.run({.steps = 4}, go_on);
    results.push_back(flat(newest(trainer)));
  }
  CHECK(results[1] == results[0]);
  CHECK(results[2] == results[0]);
}

TEST_CASE("a state of other pairs is refused, and so is training with nothing") {
  Trainer trainer = trainer_of(untrained());
  trainer.step();
  const TrainingState state = trainer.state();
  std::vector<Pair> others = pairs;
  others.front().target = "abc";
  Trainer other(untrained(), others, valid, quick());
  CHECK_THROWS_WITH_AS(other.restore(trainer.best(), state), doctest::Contains("pairs"), Error);
  CHECK_THROWS_AS(Trainer(untrained(), {}, valid, quick()), Error);
}

TEST_CASE("a loss that is not finite ends training before it does harm") {
  const Translator translator = untrained();
  Trainer trainer = trainer_of(translator);
  std::vector<Tensor> parameters = translator.model().parameters();
  {
    const NoGrad no_grad;
    parameters.back().fill_(INFINITY);
  }
  const std::vector<double> before = parameters.front().to_vector<double>();
  CHECK_THROWS_AS(trainer.step(), Error);
  CHECK(parameters.front().to_vector<double>() == before);
}
