// Checkpoints of the first kind, from when every model was a GRU that attends before its step, are
// still read, and their training still goes on.

#include <doctest/doctest.h>

#include "nn/checkpoint.h"
#include "nn/safetensors.h"
#include "tests/difference.h"
#include "tests/folder.h"

using namespace attune;
using namespace attune::nn;

namespace {

// The parameters of such a model in their order, by which the optimiser's state is numbered.
const std::vector<std::pair<std::string, Shape>>& old_parameters() {
  static const std::vector<std::pair<std::string, Shape>> parameters{
      {"source_embedding.weight", {5, 2}},
      {"target_embedding.weight", {6, 2}},
      {"encoder.weight_ih_l0", {9, 2}},
      {"encoder.weight_hh_l0", {9, 3}},
      {"encoder.bias_ih_l0", {9}},
      {"encoder.bias_hh_l0", {9}},
      {"encoder.weight_ih_l0_reverse", {9, 2}},
      {"encoder.weight_hh_l0_reverse", {9, 3}},
      {"encoder.bias_ih_l0_reverse", {9}},
      {"encoder.bias_hh_l0_reverse", {9}},
      {"output.weight", {6, 3}},
      {"output.bias", {6}},
      {"attention.query_weight", {3, 3}},
      {"attention.key_weight", {3, 6}},
      {"attention.v", {3}},
      {"bridge0.weight", {3, 3}},
      {"bridge0.bias", {3}},
      {"decoder0.weight_ih", {9, 8}},
      {"decoder0.weight_hh", {9, 3}},
      {"decoder0.bias_ih", {9}},
      {"decoder0.bias_hh", {9}}};
  return parameters;
}

// The parameters that a model without attention had.
bool is_blind(const std::string& name) {
  return !name.starts_with("attention.");
}

// Loads the file that was written for such a model.
Checkpoint load_old(bool attends) {
  SafeTensors file;
  for (auto [name, shape] : old_parameters()) {
    if (!attends && name == "decoder0.weight_ih") shape = {9, 2};
    if (attends || is_blind(name)) file.tensors.emplace_back(name, randn(shape));
  }
  const std::string attention = attends ? "additive" : "none";
  file.metadata = {
      {"attune", "seq2seq 1"},
      {"options", R"({"attention":")" + attention +
                      R"(","attention_size":3,"dropout":0.0,"embedding":2,"hidden":3,"layers":1,)" +
                      R"("source_vocabulary":5,"target_vocabulary":6})"},
      {"tokens", "word"},
      {"source_vocabulary", R"(["<pad>","<bos>","<eos>","<unk>","a"])"},
      {"target_vocabulary", R"(["<pad>","<bos>","<eos>","<unk>","a","b"])"},
      {"longest_source", "3"},
      {"longest_target", "4"},
      {"task", "{}"}};
  const Folder folder;
  save_safetensors(folder.path("old"), file);
  return load_checkpoint(folder.path("old"));
}

}  // namespace

TEST_CASE("a checkpoint that does not say what kind of model it holds is a GRU's") {
  for (const bool attends : {true, false}) {
    CAPTURE(attends);
    const Checkpoint checkpoint = load_old(attends);
    CHECK(checkpoint.tokens == data::Tokens::word);
    CHECK(checkpoint.options.architecture == Architecture::gru);
    CHECK(checkpoint.options.attending == Attending::before);
    CHECK(checkpoint.options.attention == (attends ? Attention::additive : Attention::none));
    Seq2Seq model(checkpoint.options);
    model.load_state_dict(checkpoint.parameters);
    const Tensor tokens = tensor({{4, 4}}, DType::int64);
    const Tensor logits = model.forward({tokens, tensor({2}, DType::int64), tokens, tokens});
    CHECK(logits.shape() == Shape{1, 2, 6});
  }
}

TEST_CASE("parameters keep the order by which checkpoints number the optimiser's state") {
  const Seq2Seq model(load_old(true).options);
  const NamedTensors own = model.named_parameters();
  REQUIRE(own.size() == old_parameters().size());
  for (std::size_t i = 0; i < own.size(); ++i) CHECK(own[i].first == old_parameters()[i].first);
}

TEST_CASE("a model without attention is saved with the bridge it has") {
  for (const bool both : {true, false}) {
    Checkpoint checkpoint = load_old(false);
    checkpoint.options.bridge_both = both;
    checkpoint.parameters = Seq2Seq(checkpoint.options).state_dict();
    const Folder folder;
    save_checkpoint(folder.path("new"), checkpoint);
    CHECK(load_checkpoint(folder.path("new")).options.bridge_both == both);
  }
}
