// `seq2seq evaluate`: its numbers against the library's, the dates it remembers, and bad data.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "nn/data/dates.h"
#include "tests/program/models.h"
#include "tests/program/sandbox.h"

using namespace attune;

namespace {

// A model that was trained on dates a little, or so its checkpoint says.
nn::Checkpoint date_model() {
  const std::vector<data::Pair> dates = data::generate_dates(7, 4, 0, 0).train;
  nn::Checkpoint checkpoint = trained_checkpoint(dates, data::Tokens::character);
  checkpoint.task = {{"seed", "7"}, {"data", ""}};
  return checkpoint;
}

class Models : public Sandbox {
 public:
  Models() {
    nn::save_checkpoint(path("dates.safetensors"), date_model());
    nn::save_checkpoint(path("letters.safetensors"), reversing_model());
    nn::save_checkpoint(path("words.safetensors"), german_model());
    std::string lines;
    for (const data::Pair& pair : reversals()) lines += pair.source + '\t' + pair.target + '\n';
    write("reversals.tsv", lines);
    write("words.tsv",
          "the sea\tdas meer\nthe cold sea\tdas kalte wasser\nthe old sea is cold\tdas alte meer "
          "ist kalt\n");
  }
};

const Models& sandbox() {
  static const Models models;
  return models;
}

}  // namespace

TEST_CASE("a model that knows the pairs by heart is right in all") {
  const Outcome outcome = sandbox().run("evaluate -m letters.safetensors --data reversals.tsv");
  CHECK(outcome.status == 0);
  CHECK(outcome.err == "");
  CHECK(
      outcome.out.starts_with("pairs                    4\n"
                              "exact match       100.00 %\n"
                              "token accuracy    100.00 %\n"
                              "perplexity          1.0"));
  CHECK(outcome.out.find("BLEU") == std::string::npos);
}

TEST_CASE("models of words have a BLEU, and mistakes can be shown") {
  const Outcome outcome = sandbox().run("evaluate -m words.safetensors -d words.tsv --mistakes 5");
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("exact match        66.67 %") != std::string::npos);
  CHECK(outcome.out.find("token accuracy     90.00 %") != std::string::npos);
  CHECK(outcome.out.find("BLEU ") != std::string::npos);
  CHECK(outcome.out.ends_with(
      "\nthe cold sea\n  answer  das kalte meer\n  right   das kalte wasser\n"));
}

TEST_CASE("sources with unknown tokens are counted") {
  sandbox().write("unknown.tsv", "abc\tcba\nxyz\tzyx\n");
  const Outcome outcome = sandbox().run("evaluate -m letters.safetensors -d unknown.tsv");
  CHECK(outcome.status == 0);
  CHECK(outcome.out.find("1 of the sources hold tokens that the model does not know") !=
        std::string::npos);
}

TEST_CASE("a model of dates is tested on the dates its training kept apart") {
  const Outcome outcome = sandbox().run("evaluate");
  CHECK(outcome.status == 0);
  const nn::Translator translator(date_model());
  const nn::Evaluation expected =
      translator.evaluate(data::generate_dates(7, 0, 0, 2000).test, {.max_length = 20});
  CHECK(outcome.out.find("pairs                2,000") != std::string::npos);
  CHECK(outcome.out.find(fmt::format("{:.4f}", expected.perplexity)) != std::string::npos);
  CHECK(outcome.out.find(fmt::format("{:.2f} %", 100 * expected.token_accuracy)) !=
        std::string::npos);
}

TEST_CASE("other models need --data, and bad data is named by file and line") {
  CHECK(sandbox().run("evaluate -m letters.safetensors").err ==
        "seq2seq: letters.safetensors: was trained on pairs of its user's own; name pairs to "
        "evaluate it on with --data\n");
  sandbox().write("bad.tsv", "abc\tcba\nno tab\n");
  sandbox().write("empty.tsv", "");
  for (const auto& [file, beginning] : {std::pair{"bad.tsv", "bad.tsv:2: "},
                                        {"empty.tsv", "empty.tsv: "},
                                        {"none.tsv", "none.tsv: "},
                                        {".", ".: "}}) {
    const Outcome outcome =
        sandbox().run(std::string("evaluate -m letters.safetensors --data ") + file);
    CHECK(outcome.status == 1);
    CHECK(outcome.out == "");
    CHECK(outcome.err.starts_with(std::string("seq2seq: ") + beginning));
  }
}

TEST_CASE("evaluating with a beam changes answers, not perplexity") {
  const std::string data = " -m words.safetensors -d words.tsv";
  const auto perplexity = [&](const std::string& options) {
    const std::string out = sandbox().run("evaluate" + data + options).out;
    const std::size_t at = out.find("perplexity");
    REQUIRE(at != std::string::npos);
    return out.substr(at, out.find('\n', at) - at);
  };
  CHECK(perplexity(" --beam 3") == perplexity(""));
}
