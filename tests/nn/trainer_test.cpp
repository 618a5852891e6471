// The training loop: its limits, what it keeps, and that its state is all there is to it.

#include "nn/trainer.h"

#include <doctest/doctest.h>

#include <algorithm>

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

Translator untrained(double dropout = 0) {
  manual_seed(71);
  data::TokenCounts counts;
  for (const Pair& pair : pairs) counts.add(tokenize(pair.source, Tokens::character));
  data::Vocabulary vocabulary(counts);
  Seq2SeqOptions options;
  options.source_vocabulary = options.target_vocabulary =
      static_cast<std::int64_t>(vocabulary.size());
  options.embedding = options.hidden = options.attention_size = 12;
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
    CHECK(trainer.run({.steps = 1000, .patience = 2}, go_on) == Ending::patience);
    CHECK(trainer.steps() < 1000);
  }
  {
    Trainer trainer = Trainer(untrained(), pairs, pairs, quick());
    CHECK(trainer.run({.steps = 3000, .exact_match = 0.9}, go_on) == Ending::exact_match);
    CHECK(trainer.validate().evaluation.exact_match >= 0.9);
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
  Trainer trainer = Trainer(untrained(), pairs, pairs, quick());
  std::vector<double> best;
  trainer.run({.steps = 120}, [&](const StepReport&, const Validation* validation) {
    if (validation != nullptr && validation->best) best = flat(newest(trainer));
    return true;
  });
  REQUIRE_FALSE(best.empty());
  CHECK(flat(trainer.best()) == best);
}

TEST_CASE("a restored trainer goes on in the same bits, with dropout and sampling") {
  TrainerOptions options = quick();
  options.scheduled_sampling = 0.4;
  Trainer whole = trainer_of(untrained(0.3), options);
  whole.run({.steps = 35}, go_on);

  Trainer first = trainer_of(untrained(0.3), options);
  first.run({.steps = 13}, go_on);
  const TrainingState state = first.state();
  const NamedTensors best = first.best();
  Trainer second = trainer_of(untrained(0.3), options);
  manual_seed(12345);  // what restore() must replace
  second.restore(best, state);
  second.run({.steps = 35}, go_on);

  CHECK(flat(newest(second)) == flat(newest(whole)));
  CHECK(flat(second.best()) == flat(whole.best()));
  CHECK(flat(second.state().optimiser) == flat(whole.state().optimiser));
  CHECK(second.state().values == whole.state().values);
}

TEST_CASE("the number of threads changes no bit") {
  const int before = num_threads();
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    Trainer trainer = trainer_of(untrained(0.2));
    trainer.run({.steps = 12}, go_on);
    results.push_back(flat(newest(trainer)));
  }
  set_num_threads(before);
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
