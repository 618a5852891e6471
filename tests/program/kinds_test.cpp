// Every kind of model and of attention through the program: trained, resumed, shown, measured.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "nn/checkpoint.h"
#include "tests/program/sandbox.h"

using namespace attune;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A training of a moment.
std::string train(const std::string& options) {
  return "train --hidden 8 --embedding 8 --heads 2 --feedforward 8 --dates 64 --batch 16 "
         "--validate-every 4 --stop-at 0 --threads 1 --quiet " +
         options;
}

struct Kind {
  std::string options;
  nn::Architecture architecture;
  nn::Attention attention;
};

std::vector<Kind> kinds() {
  using nn::Attention, nn::Architecture;
  std::vector<Kind> all{{"--model transformer", Architecture::transformer, Attention::multihead},
                        {"", Architecture::gru, Attention::additive}};
  for (const auto architecture :
       {Architecture::gru, Architecture::lstm, Architecture::transformer}) {
    for (const auto attention :
         {Attention::none, Attention::fixed, Attention::additive, Attention::dot,
          Attention::general, Attention::scaled, Attention::multihead}) {
      if (architecture == Architecture::transformer && !nn::attends_by(attention)) continue;
      const std::string options = fmt::format("--model {} --attention {}",
                                              nn::name_of(architecture), nn::name_of(attention));
      all.push_back({options, architecture, attention});
    }
  }
  all.push_back(
      {"--model lstm --attention dot --attend after", Architecture::lstm, Attention::dot});
  return all;
}

}  // namespace

TEST_CASE("every kind of model trains, translates, shows where it looks, and is measured") {
  const Sandbox sandbox;
  sandbox.write("pairs.tsv", "3 may 1994\t1994-05-03\n1.2.2003\t2003-02-01\n");
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.options);
    const Outcome trained = sandbox.run(train("--steps 2 --out a.safetensors " + kind.options));
    REQUIRE(trained.err == "");
    REQUIRE(trained.status == 0);
    const nn::Checkpoint checkpoint = nn::load_checkpoint(sandbox.path("a.safetensors"));
    CHECK(checkpoint.options.architecture == kind.architecture);
    CHECK(checkpoint.options.attention == kind.attention);

    const Outcome beam = sandbox.run("translate -m a.safetensors --beam 3 --max-length 5 may");
    CHECK(beam.out != "");
    const Outcome shown = sandbox.run("translate -a -m a.safetensors --max-length 5 may");
    const bool blind = !nn::attends_by(kind.attention);
    CHECK(has(shown.err, "has no attention to show") == blind);
    const Outcome inspected = sandbox.run("inspect a.safetensors");
    CHECK(has(inspected.out, fmt::format("  {:<22} {}\n", "kind", nn::name_of(kind.architecture))));
    const Outcome measured = sandbox.run("evaluate -m a.safetensors --data pairs.tsv");
    CHECK(has(measured.out, "perplexity"));
    std::filesystem::remove(sandbox.path("a.safetensors"));
  }
}

TEST_CASE("every kind of model resumes to the bits of an uninterrupted training") {
  for (const std::string model : {"gru", "lstm", "transformer"}) {
    CAPTURE(model);
    const Sandbox sandbox;
    const std::string options = "--dropout 0.1 --model " + model;
    REQUIRE(sandbox.run(train(options + " --steps 6 --out whole.safetensors")).status == 0);
    REQUIRE(sandbox.run(train(options + " --steps 3 --out parts.safetensors")).status == 0);
    const Outcome resumed =
        sandbox.run("train --resume parts.safetensors --steps 6 --quiet --threads 1");
    CHECK(resumed.err == "");
    REQUIRE(resumed.status == 0);
    const auto tensors_of = [&](const char* file) {
      const nn::Checkpoint checkpoint = nn::load_checkpoint(sandbox.path(file));
      std::vector<std::vector<float>> values;
      for (const nn::NamedTensors& tensors :
           {checkpoint.parameters, checkpoint.training->parameters,
            checkpoint.training->optimiser}) {
        for (const auto& [name, tensor] : tensors) values.push_back(tensor.to_vector<float>());
      }
      return values;
    };
    CHECK(tensors_of("whole.safetensors").size() > 20);
    CHECK(tensors_of("whole.safetensors") == tensors_of("parts.safetensors"));
  }
}

TEST_CASE("what makes no model is refused in a sentence") {
  const Sandbox sandbox;
  const Outcome blind = sandbox.run(train("--model transformer --attention none"));
  CHECK(blind.status == 1);
  CHECK(has(blind.err, "a transformer cannot do without attention"));
  const Outcome uneven = sandbox.run(train("--model transformer --hidden 8 --heads 3"));
  CHECK(uneven.status == 1);
  CHECK(has(uneven.err, "8 features cannot be shared out among 3 heads"));
  const Outcome unknown = sandbox.run("train --model rnn");
  CHECK(unknown.status == 2);
  CHECK(has(unknown.err, "must be one of gru, lstm, transformer"));
}
