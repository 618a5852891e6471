// `seq2seq inspect`: everything a checkpoint holds is shown.

#include <doctest/doctest.h>

#include "tests/program/models.h"
#include "tests/program/sandbox.h"

using namespace attune;

namespace {

class InspectedModels : public Sandbox {
 public:
  InspectedModels() {
    nn::Checkpoint checkpoint = reversing_model();
    checkpoint.task = {{"seed", "7"}, {"data", "pairs.tsv"}, {"valid", ""}};
    checkpoint.training = nn::TrainingState{};
    checkpoint.training->step = 1234;
    checkpoint.training->epoch = 5;
    checkpoint.training->seconds = 65;
    nn::save_checkpoint(path("dates.safetensors"), checkpoint);
    nn::save_checkpoint(path("words.safetensors"), german_model());
  }
};

const InspectedModels& inspected() {
  static const InspectedModels models;
  return models;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("options, task, training, vocabularies and parameters are shown") {
  const Outcome outcome = inspected().run("inspect");
  CHECK(outcome.status == 0);
  CHECK(outcome.err == "");
  for (const char* const line :
       {"  attention              additive\n", "  embedding              8\n",
        "  hidden                 16\n", "  tokens                 char\n",
        "  longest source         3 tokens\n", "  data                   pairs.tsv\n",
        "  seed                   7\n", "  steps                  1,234\n",
        "  time                   1:05\n",
        "Source vocabulary: 10 tokens\n  <pad> <bos> <eos> <unk> ", " ␣ ", " 你\n"}) {
    CAPTURE(line);
    CHECK(contains(outcome.out, line));
  }
  CHECK(!contains(outcome.out, "valid"));
}

TEST_CASE("the parameter table has shapes, counts, moments and a total") {
  nn::Checkpoint checkpoint = reversing_model();
  for (auto& [name, tensor] : checkpoint.parameters) {
    if (name == "output.bias")
      tensor = from_vector(std::vector<float>{1, 1, 1, 1, 1, 3, 3, 3, 3, 3}, {10});
  }
  nn::save_checkpoint(inspected().path("changed.safetensors"), checkpoint);
  const std::string out = inspected().run("inspect changed.safetensors").out;
  const std::size_t at = out.find("output.bias ");
  REQUIRE(at != std::string::npos);
  const std::string line = out.substr(at, out.find('\n', at) - at);
  CHECK(contains(line, "[10]"));
  CHECK(line.ends_with("        10    2.0000    1.0000"));
  CHECK(contains(out, "\ntotal "));
  CHECK(!contains(out, "Training\n"));
}

TEST_CASE("a long vocabulary is cut short, unless all of it is wanted") {
  std::vector<data::Pair> pairs;
  for (int i = 0; i < 400; ++i) pairs.push_back({"word" + std::to_string(i), "x"});
  data::TokenCounts counts;
  for (const data::Pair& pair : pairs) counts.add(tokenize(pair.source, data::Tokens::word));
  nn::Checkpoint checkpoint = german_model();
  checkpoint.source_vocabulary = data::Vocabulary(counts).tokens();
  checkpoint.options.source_vocabulary = 404;
  for (auto& [name, tensor] : checkpoint.parameters) {
    if (name == "source_embedding.weight") tensor = zeros({404, 8});
  }
  nn::save_checkpoint(inspected().path("many.safetensors"), checkpoint);
  const std::string brief = inspected().run("inspect many.safetensors").out;
  CHECK(contains(brief, "Source vocabulary: 404 tokens\n"));
  CHECK(contains(brief, " more; --vocabulary shows all\n"));
  CHECK(!contains(brief, "word399"));
  const std::string whole = inspected().run("inspect --vocabulary many.safetensors").out;
  CHECK(contains(whole, "       0  <pad>\n"));
  CHECK(contains(whole, "word399"));
  CHECK(!contains(whole, "shows all"));
}

TEST_CASE("what is no checkpoint is named in one sentence") {
  inspected().write("text", "this is no checkpoint, but has some length");
  for (const char* const file : {"none", ".", "text"}) {
    CAPTURE(file);
    const Outcome outcome = inspected().run(std::string("inspect ") + file);
    CHECK(outcome.status == 1);
    CHECK(outcome.out == "");
    CHECK(outcome.err.starts_with(std::string("seq2seq: ") + file + ": "));
    CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
  }
}

TEST_CASE("the graph of a training step is written as a page, text or DOT") {
  const Outcome page =
      inspected().run("inspect --graph step.html --text abc --answer cba --unrolled --check");
  CHECK(page.status == 0);
  CHECK(page.err == "");
  CHECK(contains(page.out, "nodes of one training step on \"abc\" -> \"cba\"\n"));
  const std::string html = inspected().read("step.html");
  CHECK(html.starts_with("<!doctype html>"));
  for (const char* const part : {"<title>abc -> cba</title>", "target_embedding.weight",
                                 "\"step2\"", "linear_cross_entropy", "\"agrees\":true"}) {
    CAPTURE(part);
    CHECK(contains(html, part));
  }
  CHECK(!contains(html, "\"agrees\":false"));

  // Without --answer the model's own is explained, and the fused decoder is one node.
  CHECK(inspected().run("inspect --graph step.txt --text abc").status == 0);
  CHECK(contains(inspected().read("step.txt"), "attention_gru"));
  CHECK(inspected().run("inspect --graph step.dot --text abc").status == 0);
  CHECK(inspected().read("step.dot").starts_with("digraph \"abc -> "));
}

TEST_CASE("inspect --graph says what it lacks") {
  const Outcome outcome = inspected().run("inspect --graph step.html");
  CHECK(outcome.status == 1);
  CHECK(outcome.err == "seq2seq: --graph: name a sentence for the step with --text\n");
  CHECK(inspected().run("inspect --check").status == 2);
  CHECK(inspected().run("inspect --graph no/such/folder/step.html --text abc").status == 1);
}
