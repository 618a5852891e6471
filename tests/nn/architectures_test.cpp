// Every kind of model that Seq2Seq can be: examined as a layer, trained, and decoded.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <sstream>

#include "autograd/random.h"
#include "nn/decode.h"
#include "nn/optim/adam.h"
#include "nn/verify.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;

namespace {

constexpr std::int64_t begin_id = 1, end_id = 2;

struct Kind {
  Architecture architecture;
  Attention attention;
  Attending attending = Attending::before;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {Architecture::gru, Attention::none},
      {Architecture::gru, Attention::fixed},
      {Architecture::gru, Attention::additive},
      {Architecture::gru, Attention::multihead},
      {Architecture::gru, Attention::dot, Attending::after},
      {Architecture::gru, Attention::multihead, Attending::after},
      {Architecture::lstm, Attention::none},
      {Architecture::lstm, Attention::fixed},
      {Architecture::lstm, Attention::additive},
      {Architecture::lstm, Attention::general, Attending::after},
      {Architecture::transformer, Attention::multihead},
  };
  return all;
}

std::string name_of_kind(const Kind& kind) {
  return fmt::format("{} {} {}", name_of(kind.architecture), name_of(kind.attention),
                     name_of(kind.attending));
}

Seq2Seq make_model(const Kind& kind, std::int64_t hidden = 4, std::int64_t layers = 1) {
  manual_seed(111);
  Seq2SeqOptions options;
  options.source_vocabulary = options.target_vocabulary = 7;
  options.embedding = 3;
  options.hidden = options.attention_size = hidden;
  options.layers = layers;
  options.heads = 2;
  options.feedforward = 2 * hidden;
  options.architecture = kind.architecture;
  options.attention = kind.attention;
  options.attending = kind.attending;
  return Seq2Seq(options);
}

Batch copies() {
  Batch batch;
  batch.source = tensor({{3, 4, 5, 6}, {6, 0, 0, 0}, {4, 4, 3, 0}}, DType::int64);
  batch.source_lengths = tensor({4, 1, 3}, DType::int64);
  batch.target_in = tensor({{1, 3, 4, 5, 6}, {1, 6, 0, 0, 0}, {1, 4, 4, 3, 0}}, DType::int64);
  batch.target_out = tensor({{3, 4, 5, 6, 2}, {6, 2, 0, 0, 0}, {4, 4, 3, 2, 0}}, DType::int64);
  return batch;
}

// A model that copies these three by heart.
Seq2Seq trained(const Kind& kind) {
  Seq2Seq model = make_model(kind, 16);
  optim::Adam adam(model.parameters(), {.learning_rate = 0.02});
  const Batch batch = copies();
  for (int step = 0; step < 150; ++step) {
    adam.zero_grad();
    const Tensor loss = cross_entropy(model.forward(batch), batch.target_out, 0);
    loss.backward();
    adam.step();
    if (loss.item() < 0.005) break;
  }
  model.eval();
  return model;
}

}  // namespace

TEST_CASE("every kind of model passes a layer's examination") {
  for (const Kind& kind : kinds()) {
    Seq2Seq model = make_model(kind);
    const Batch batch = copies();
    const auto forward = [&](const Tensors& in) {
      return model.forward({in[0], in[1], in[2], in[2]});
    };
    // The vector of padding gets no gradient, so there is none in the target.
    const std::vector<Example> source{{batch.source, Role::sequence},
                                      {batch.source_lengths, Role::lengths},
                                      {tensor({{1, 3, 4}, {1, 6, 5}, {1, 4, 4}}, DType::int64)}};
    // Second derivatives of the others take long, and are proven layer by layer.
    const VerifyOptions quick{.second_order = kind.architecture == Architecture::gru};
    const Verification verification = verify(model, forward, source, quick);
    std::ostringstream text;
    text << name_of_kind(kind) << '\n' << verification;
    INFO(text.str());
    CHECK(verification);
  }
}

TEST_CASE("no logit looks at a later target token") {
  for (const Kind& kind : kinds()) {
    Seq2Seq model = make_model(kind, 4, 2);
    const Batch batch = copies();
    const auto forward = [&](const Tensors& in) {
      return model.forward({batch.source, batch.source_lengths, in[0], in[0]});
    };
    const Verification verification =
        verify(model, forward, {{batch.target_in, Role::sequence}},
               {.outputs = {Role::sequence}, .causal = true, .second_order = false});
    for (const Finding& finding : verification.findings) {
      if (finding.check != "causality") continue;
      INFO(name_of_kind(kind) << ": " << finding.sentence);
      CHECK(finding.result == Finding::Result::passed);
    }
  }
}

TEST_CASE("all steps at once are one step after the other") {
  for (const Kind& kind : kinds()) {
    CAPTURE(name_of_kind(kind));
    Seq2Seq model = make_model(kind, 4, 2);
    model.to(DType::float64);
    const Batch batch = copies();
    const Tensor whole = model.forward(batch);
    auto [memory, state] = model.encode(batch.source, batch.source_lengths);
    for (std::int64_t t = 0; t < batch.target_in.size(1); ++t) {
      Step step = model.step(select(batch.target_in, 1, t), state, memory);
      CHECK(difference(model.logits(step.output), select(whole, 1, t)) < 1e-12);
      CHECK(step.weights.defined() == model.attends());
      if (step.weights.defined()) {
        CHECK(difference(sum(step.weights, {1}), ones({3}, DType::float64)) < 1e-12);
      }
      state = std::move(step.state);
    }
  }
}

TEST_CASE("every kind of model learns a batch by heart, and decodes it in any company") {
  for (const Kind& kind : kinds()) {
    CAPTURE(name_of_kind(kind));
    const Seq2Seq model = trained(kind);
    const Batch batch = copies();
    const std::vector<std::vector<std::int64_t>> right{{3, 4, 5, 6}, {6}, {4, 4, 3}};
    const DecodeOptions options{.bos = begin_id, .eos = end_id, .max_length = 8, .beam = 1};
    const auto together = greedy(model, batch.source, batch.source_lengths, options);
    for (std::size_t row = 0; row < right.size(); ++row) {
      CAPTURE(row);
      CHECK(together[row].tokens == right[row]);
      CHECK(together[row].finished);
      const auto length = static_cast<std::int64_t>(right[row].size());
      const Tensor alone =
          slice(select(batch.source, 0, static_cast<std::int64_t>(row)), 0, 0, length);
      DecodeOptions wide = options;
      wide.beam = 3;
      const auto found = beam_search(model, unsqueeze(alone, 0), wide);
      REQUIRE_FALSE(found.empty());
      CHECK(found[0].tokens == right[row]);
      CHECK(found[0].log_probability ==
            doctest::Approx(together[row].log_probability).epsilon(1e-3));
      CHECK(found[0].weights.size() == (model.attends() ? right[row].size() : 0));
    }
  }
}

TEST_CASE("the loss is the cross-entropy of the logits") {
  for (const Kind& kind : kinds()) {
    CAPTURE(name_of_kind(kind));
    Seq2Seq model = make_model(kind);
    model.to(DType::float64);
    const Batch batch = copies();
    const Tensor expected = cross_entropy(model.forward(batch), batch.target_out, 0, 0.1);
    CHECK(model.loss(batch, 0.1).item() == doctest::Approx(expected.item()).epsilon(1e-12));
  }
}

TEST_CASE("kinds by name") {
  for (const Kind& kind : kinds()) {
    CHECK(architecture_by_name(name_of(kind.architecture)) == kind.architecture);
    CHECK(attending_by_name(name_of(kind.attending)) == kind.attending);
  }
  CHECK_THROWS_WITH_AS(architecture_by_name("rnn"),
                       "'rnn' is no architecture. Choose one of gru, lstm, transformer.", Error);
}
