// The encoder-decoder: padding, gradients, learning, and every way of decoding.

#include "nn/decode.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "autograd/fused/gru.h"
#include "autograd/gradcheck.h"
#include "autograd/random.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;

namespace {

constexpr std::uint64_t seq2seq_seed = 41;
constexpr std::int64_t pad = 0, bos = 1, eos = 2;
constexpr Attention all_attentions[] = {Attention::none, Attention::fixed,   Attention::additive,
                                        Attention::dot,  Attention::general, Attention::scaled};

using Ids = std::vector<std::int64_t>;

Tensor padded(const std::vector<Ids>& rows) {
  std::size_t longest = 0;
  for (const Ids& row : rows) longest = std::max(longest, row.size());
  Ids cells;
  for (Ids row : rows) {
    row.resize(longest, pad);
    cells.insert(cells.end(), row.begin(), row.end());
  }
  return from_vector(cells,
                     {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(longest)});
}

Batch make_batch(const std::vector<Ids>& sources, const std::vector<Ids>& targets) {
  Ids lengths;
  std::vector<Ids> in, out;
  for (const Ids& source : sources) lengths.push_back(static_cast<std::int64_t>(source.size()));
  for (const Ids& target : targets) {
    in.push_back(target);
    in.back().insert(in.back().begin(), bos);
    out.push_back(target);
    out.back().push_back(eos);
  }
  return {padded(sources), from_list(lengths), padded(in), padded(out)};
}

// Three pairs of three lengths.
Batch small_batch() {
  return make_batch({{3, 4, 5, 6}, {6}, {4, 4, 3}}, {{5, 4}, {3, 3, 6, 4}, {6}});
}

Seq2SeqOptions small_options(Attention attention, std::int64_t layers = 1) {
  Seq2SeqOptions options;
  options.source_vocabulary = 7;
  options.target_vocabulary = 7;
  options.embedding = 3;
  options.hidden = 4;
  options.attention_size = 5;
  options.layers = layers;
  options.attention = attention;
  return options;
}

Seq2Seq small_model(Attention attention, std::int64_t layers = 1) {
  manual_seed(seq2seq_seed);
  Seq2Seq model(small_options(attention, layers));
  model.to(DType::float64);
  return model;
}

Tensor loss_of(const Seq2Seq& model, const Batch& batch, double sampling = 0) {
  return cross_entropy(model.forward(batch, sampling), batch.target_out, pad);
}

NamedTensors gradients_of(const Seq2Seq& model) {
  NamedTensors gradients = model.named_parameters();
  for (auto& [name, tensor] : gradients) {
    tensor =
        tensor.grad().defined() ? tensor.grad().clone() : zeros(tensor.shape(), tensor.dtype());
  }
  return gradients;
}

// Plain gradient descent, until the loss is below `enough`; the last loss.
double train(const Seq2Seq& model, const Batch& batch, double rate, int steps, double enough) {
  double loss = 0;
  for (int step = 0; step < steps; ++step) {
    Seq2Seq(model).zero_grad();
    const Tensor now = loss_of(model, batch);
    now.backward();
    loss = now.item();
    if (loss < enough) break;
    const NoGrad no_grad;
    for (Tensor& tensor : model.parameters()) {
      if (tensor.grad().defined()) tensor.add_(tensor.grad(), -rate);
    }
  }
  return loss;
}

// A model that has learned to copy, from 3 .. 6 to 3 .. 6, a few sequences.
Seq2Seq trained_model(Attention attention = Attention::additive) {
  manual_seed(seq2seq_seed);
  Seq2SeqOptions options = small_options(attention);
  options.embedding = 8;
  options.hidden = 16;
  Seq2Seq model(options);
  const std::vector<Ids> sequences{{3, 4, 5}, {6}, {4, 3}, {5, 6, 6, 4}};
  train(model, make_batch(sequences, sequences), 0.5, 150, 0.05);
  model.eval();
  return model;
}

}  // namespace

TEST_CASE("the model is the equations of Bahdanau, Cho & Bengio, with the GRU of its layers") {
  for (const Attention kind : {Attention::additive, Attention::none, Attention::fixed}) {
    CAPTURE(name_of(kind));
    const Seq2Seq model = small_model(kind);
    std::map<std::string, Tensor> p;
    for (const auto& [name, tensor] : model.named_parameters()) p[name] = tensor;
    const auto affine = [](const Tensor& x, const Tensor& w, const Tensor& b) {
      return matmul(w, x) + b;
    };
    const auto gru = [&](const std::string& prefix, const std::string& suffix, const Tensor& x,
                         const Tensor& h) {
      const auto of = [&](const char* name) { return p.at(prefix + name + suffix); };
      const Tensor input = affine(x, of("weight_ih"), of("bias_ih"));
      const Tensor recurrent = affine(h, of("weight_hh"), of("bias_hh"));
      const Tensor next =
          gru_gates_composition(unsqueeze(input, 0), unsqueeze(recurrent, 0), unsqueeze(h, 0));
      return squeeze(next, 0);
    };
    const Ids source{3, 6, 4}, target{5, 3};
    const Tensor zero = zeros({4}, DType::float64);
    std::vector<Tensor> x, forward, backward(source.size());
    for (const std::int64_t id : source) {
      x.push_back(select(p.at("source_embedding.weight"), 0, id));
    }
    for (std::size_t j = 0; j < x.size(); ++j) {
      forward.push_back(gru("encoder.", "_l0", x[j], j == 0 ? zero : forward[j - 1]));
    }
    for (std::size_t j = x.size(); j-- > 0;) {
      backward[j] =
          gru("encoder.", "_l0_reverse", x[j], j + 1 == x.size() ? zero : backward[j + 1]);
    }
    std::vector<Tensor> annotations;
    for (std::size_t j = 0; j < x.size(); ++j) {
      annotations.push_back(cat({forward[j], backward[j]}));
    }
    const Tensor both = cat({forward.back(), backward[0]});
    const Tensor read = attends_by(kind) ? backward[0] : both;
    Tensor s = tanh(affine(read, p.at("bridge0.weight"), p.at("bridge0.bias")));
    const Batch batch = make_batch({source}, {target});
    const Tensor logits = model.forward(batch);
    for (std::int64_t i = 0; i < batch.target_in.size(1); ++i) {
      Tensor input = select(p.at("target_embedding.weight"), 0,
                            static_cast<std::int64_t>(batch.target_in.at({0, i})));
      if (kind == Attention::additive) {
        std::vector<Tensor> energies;
        for (const Tensor& h : annotations) {
          const Tensor hidden = tanh(matmul(p.at("attention.query_weight"), s) +
                                     matmul(p.at("attention.key_weight"), h));
          energies.push_back(sum(p.at("attention.v") * hidden));
        }
        input = cat({input, matmul(softmax(stack(energies)), stack(annotations))});
      }
      if (kind == Attention::fixed) input = cat({input, both});
      s = gru("decoder0.", "", input, s);
      const Tensor expected = affine(s, p.at("output.weight"), p.at("output.bias"));
      CHECK(difference(select(select(logits, 0, 0), 0, i), expected) < 1e-12);
    }
  }
}

TEST_CASE("dropout falls on what is read, between the layers and on the output, in training only") {
  manual_seed(seq2seq_seed);
  Seq2SeqOptions options = small_options(Attention::additive, 2);
  options.embedding = 1;  // so that by chance the first layer often reads the same
  options.hidden = 64;
  options.dropout = 0.5;
  Seq2Seq model(options);
  const Batch batch = make_batch({{3, 4, 5, 6}}, {{}});
  const auto differ = [](const Tensor& a, const Tensor& b) { return difference(a, b) > 0; };
  for (const bool training : {true, false}) {
    CAPTURE(training);
    model.train(training);
    const Seq2Seq::Encoded encoded = model.encode(batch.source, batch.source_lengths);
    const Seq2Seq::Encoded again = model.encode(batch.source, batch.source_lengths);
    CHECK(differ(encoded.memory.values[0], again.memory.values[0]) == training);
    const auto step = [&] { return model.step(from_list({1}), encoded.state, encoded.memory); };
    const Seq2Seq::Step first = step();
    bool embedding = false, between = false, output = false;
    for (int i = 0; i < 20; ++i) {
      const Seq2Seq::Step other = step();
      const bool same = !differ(first.state[0], other.state[0]);
      embedding |= !same;
      between |= same && differ(first.state[1], other.state[1]);
      output |= sum(eq(other.output, 0).to(DType::int64)).item() > 16;
    }
    CHECK(embedding == training);
    CHECK(between == training);
    CHECK(output == training);
  }
}

TEST_CASE("a row of a padded batch has the logits and the gradients that it has alone") {
  const std::vector<Ids> sources{{3, 4, 5, 6}, {6}, {4, 4, 3}, {}};
  const std::vector<Ids> targets{{5, 4}, {3, 3, 6, 4}, {6}, {}};
  for (const Attention kind : all_attentions) {
    CAPTURE(name_of(kind));
    Seq2Seq model = small_model(kind, 2);
    const Batch together = make_batch(sources, targets);
    const Tensor logits = model.forward(together);
    REQUIRE(logits.shape() == Shape{4, 5, 7});
    cross_entropy(logits, together.target_out, pad, 0, Reduction::sum).backward();
    const NamedTensors of_batch = gradients_of(model);
    model.zero_grad();
    for (std::size_t row = 0; row < sources.size(); ++row) {
      CAPTURE(row);
      const Batch alone = make_batch({sources[row]}, {targets[row]});
      const Tensor own = model.forward(alone);
      const auto r = static_cast<std::int64_t>(row);
      CHECK(difference(own, slice(slice(logits, 0, r, r + 1), 1, 0, own.size(1))) < 1e-12);
      cross_entropy(own, alone.target_out, pad, 0, Reduction::sum).backward();
    }
    const NamedTensors of_rows = gradients_of(model);
    for (std::size_t i = 0; i < of_rows.size(); ++i) {
      CAPTURE(of_rows[i].first);
      CHECK(difference(of_rows[i].second, of_batch[i].second) < 1e-12);
    }
  }
}

TEST_CASE("the whole model passes gradcheck, by every parameter") {
  for (const Attention kind : all_attentions) {
    CAPTURE(name_of(kind));
    const Seq2Seq model = small_model(kind, 2);
    const Batch batch = small_batch();
    const auto loss = [&](const std::vector<Tensor>&) { return loss_of(model, batch); };
    CHECK(gradcheck(loss, model.parameters()));
  }
}

TEST_CASE("the gradient of a penalised gradient passes gradgradcheck") {
  const Seq2Seq model = small_model(Attention::additive);
  const Batch batch = make_batch({{3, 4}, {6}}, {{5}, {3}});
  const auto loss = [&](const std::vector<Tensor>&) { return loss_of(model, batch); };
  CHECK(gradgradcheck(loss, model.parameters()));
}

TEST_CASE("what stands in the padding changes no bit") {
  for (const Attention kind : all_attentions) {
    CAPTURE(name_of(kind));
    Seq2Seq model = small_model(kind);
    const auto run = [&](std::int64_t filler) {
      Batch batch = small_batch();
      batch.source = where(eq(batch.source, pad), filler, batch.source);
      model.zero_grad();
      loss_of(model, batch).backward();
      return gradients_of(model);
    };
    const NamedTensors clean = run(pad);
    const NamedTensors junk = run(5);
    for (std::size_t i = 0; i < clean.size(); ++i) {
      CAPTURE(clean[i].first);
      CHECK(difference(clean[i].second, junk[i].second) == 0);
    }
  }
}

TEST_CASE("with equal seeds two trainings have equal bits") {
  const auto run = [](std::uint64_t of_run) {
    manual_seed(of_run);
    Seq2SeqOptions options = small_options(Attention::additive);
    options.dropout = 0.2;
    Seq2Seq model(options);
    const Batch batch = small_batch();
    for (int step = 0; step < 3; ++step) {
      model.zero_grad();
      loss_of(model, batch, 0.5).backward();
      const NoGrad no_grad;
      for (Tensor& tensor : model.parameters()) tensor.add_(tensor.grad(), -0.1);
    }
    return model.state_dict();
  };
  const NamedTensors first = run(7), second = run(7), other = run(8);
  double apart = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    CHECK(difference(first[i].second, second[i].second) == 0);
    apart += difference(first[i].second, other[i].second);
  }
  CHECK(apart > 0);
}

TEST_CASE("a tiny model overfits one batch to zero loss, with every kind of attention") {
  for (const Attention kind : all_attentions) {
    CAPTURE(name_of(kind));
    manual_seed(seq2seq_seed);
    Seq2SeqOptions options = small_options(kind);
    options.embedding = 8;
    options.hidden = 16;
    const Seq2Seq model(options);
    CHECK(train(model, small_batch(), 0.5, 400, 0.01) < 0.01);
  }
}

TEST_CASE("scheduled sampling feeds the decoder its own choices, and none of them at 0") {
  const Seq2Seq model = small_model(Attention::additive);
  const Batch batch = small_batch();
  const Tensor forced = model.forward(batch);
  const Generator before = default_generator();
  CHECK(difference(model.forward(batch, 0), forced) == 0);
  CHECK(default_generator().offset() == before.offset());

  // At 1 every token after the first is the argmax of the logits before it.
  const Tensor sampled = model.forward(batch, 1);
  Batch own = batch;
  for (std::int64_t t = 1; t < own.target_in.size(1); ++t) {
    const Tensor chosen = argmax(select(model.forward(own), 1, t - 1), -1);
    own.target_in = own.target_in.clone();
    select(own.target_in, 1, t).copy_(chosen);
  }
  CHECK(difference(sampled, model.forward(own)) < 1e-12);
  CHECK(difference(sampled, forced) > 1e-3);
}

TEST_CASE("without attention the decoder sees the source through its first state alone") {
  const Seq2Seq model = small_model(Attention::none);
  const Batch batch = small_batch();
  const Seq2Seq::Encoded encoded = model.encode(batch.source, batch.source_lengths);
  CHECK(encoded.memory.keys.empty());
  CHECK(encoded.memory.values.empty());
  const Seq2Seq::Step step = model.step(from_list({1, 1, 1}), encoded.state, encoded.memory);
  CHECK(!step.weights.defined());
  CHECK(step.output.shape() == Shape{3, 4});
  for (const auto& [name, tensor] : model.named_parameters()) {
    CHECK(name.find("attention") == std::string::npos);
  }
}

TEST_CASE("the attention of each step is a distribution over the real source") {
  const Seq2Seq model = small_model(Attention::general);
  const Batch batch = small_batch();
  const Seq2Seq::Encoded encoded = model.encode(batch.source, batch.source_lengths);
  const Tensor weights = model.step(from_list({1, 1, 1}), encoded.state, encoded.memory).weights;
  CHECK(weights.shape() == Shape{3, 4});
  CHECK(difference(sum(weights, {1}), ones({3}, DType::float64)) < 1e-12);
  CHECK(weights.at({1, 0}) == 1);  // a source of one token
  CHECK(weights.at({2, 3}) == 0);
}

TEST_CASE("options that make no model are refused") {
  const auto with = [](auto change) {
    Seq2SeqOptions options = small_options(Attention::additive);
    change(options);
    return options;
  };
  CHECK_THROWS_WITH_AS(Seq2Seq(with([](auto& o) { o.hidden = 0; })),
                       "Seq2Seq: the hidden size is 0, and must be at least 1.", Error);
  CHECK_THROWS_WITH_AS(Seq2Seq(with([](auto& o) { o.layers = -1; })),
                       doctest::Contains("the number of layers is -1"), Error);
  CHECK_THROWS_WITH_AS(Seq2Seq(with([](auto& o) { o.dropout = 1; })), doctest::Contains("Dropout"),
                       Error);
}

TEST_CASE("greedy decoding of a batch is that of each row") {
  const Seq2Seq model = trained_model();
  const std::vector<Ids> sources{{3, 4, 5}, {6}, {4, 3}, {5, 6, 6, 4}, {3, 3, 3}};
  Ids lengths;
  for (const Ids& source : sources) lengths.push_back(static_cast<std::int64_t>(source.size()));
  DecodeOptions options;
  options.max_length = 6;
  const std::vector<Hypothesis> found = greedy(model, padded(sources), from_list(lengths), options);
  REQUIRE(found.size() == sources.size());
  for (std::size_t row = 0; row < sources.size(); ++row) {
    CAPTURE(row);
    const Hypothesis alone =
        greedy(model, padded({sources[row]}), from_list({lengths[row]}), options).front();
    CHECK(found[row].tokens == alone.tokens);
    CHECK(found[row].finished == alone.finished);
    CHECK(found[row].log_probability == doctest::Approx(alone.log_probability).epsilon(1e-4));
    REQUIRE(found[row].weights.size() == found[row].tokens.size());
    for (const auto& weights : found[row].weights) CHECK(weights.size() == sources[row].size());
  }
  for (std::size_t row = 0; row < 4; ++row) CHECK(found[row].tokens == sources[row]);
}

TEST_CASE("a hypothesis' log-probability is that of its tokens under teacher forcing") {
  const Seq2Seq model = trained_model();
  const Hypothesis found = greedy(model, padded({{3, 3, 6}}), from_list({3})).front();
  REQUIRE(found.finished);
  const Batch batch = make_batch({{3, 3, 6}}, {found.tokens});
  const double loss =
      cross_entropy(model.forward(batch), batch.target_out, pad, 0, Reduction::sum).item();
  CHECK(found.log_probability == doctest::Approx(-loss).epsilon(1e-4));
}

TEST_CASE("a beam of 1 is greedy decoding, also where the limit cuts it off") {
  const Seq2Seq trained = trained_model();
  const Seq2Seq fresh = small_model(Attention::dot);
  for (const Seq2Seq& model : {trained, fresh}) {
    for (const std::int64_t limit : {0, 1, 2, 5}) {
      CAPTURE(limit);
      for (const Ids& source : {Ids{3, 4, 5}, Ids{6}, Ids{5, 5, 5, 5, 5}}) {
        DecodeOptions options;
        options.max_length = limit;
        const Hypothesis a = greedy(model, padded({source}),
                                    from_list({static_cast<std::int64_t>(source.size())}), options)
                                 .front();
        const std::vector<Hypothesis> found = beam_search(model, padded({source}), options);
        REQUIRE(found.size() == 1);
        CHECK(a.tokens == found[0].tokens);
        CHECK(a.finished == found[0].finished);
        CHECK(a.log_probability == found[0].log_probability);
        CHECK(a.weights == found[0].weights);
      }
    }
  }
}

TEST_CASE("a wide beam finds the best of all hypotheses") {
  // Sharper logits than a fresh model's, or the shortest hypothesis would always win.
  const Seq2Seq model = small_model(Attention::additive);
  {
    const NoGrad no_grad;
    for (Tensor& tensor : model.parameters()) tensor.mul_(3);
  }
  const std::int64_t limit = 3;
  for (const double alpha : {0.0, 0.6, 2.0}) {
    CAPTURE(alpha);
    for (const Ids& source : {Ids{3, 4, 5}, Ids{6}, Ids{5, 5, 6}}) {
      // Every sequence of up to `limit` tokens other than <eos>, by counting in base 7.
      double best = -std::numeric_limits<double>::infinity();
      Ids best_tokens;
      for (std::int64_t length = 0; length <= limit; ++length) {
        const auto count = static_cast<std::int64_t>(std::pow(7, length));
        for (std::int64_t code = 0; code < count; ++code) {
          Ids tokens;
          for (std::int64_t rest = code, i = 0; i < length; ++i, rest /= 7) {
            tokens.push_back(rest % 7);
          }
          if (std::find(tokens.begin(), tokens.end(), eos) != tokens.end()) continue;
          const Batch batch = make_batch({source}, {tokens});
          const NoGrad no_grad;
          const double log_probability =
              -cross_entropy(model.forward(batch), batch.target_out, -1, 0, Reduction::sum).item();
          const double rank =
              log_probability / std::pow((6 + static_cast<double>(length)) / 6, alpha);
          if (rank > best) {
            best = rank;
            best_tokens = tokens;
          }
        }
      }
      DecodeOptions options;
      options.max_length = limit;
      options.beam = 400;
      options.length_penalty = alpha;
      const std::vector<Hypothesis> found = beam_search(model, padded({source}), options);
      CHECK(found.front().tokens == best_tokens);
      CHECK(found.front().finished);
      const double length = static_cast<double>(best_tokens.size());
      CHECK(found.front().log_probability / std::pow((6 + length) / 6, alpha) ==
            doctest::Approx(best).epsilon(1e-5));
    }
  }
}

TEST_CASE("a beam gives distinct hypotheses in order, no worse than greedy ones") {
  const Seq2Seq model = trained_model();
  DecodeOptions options;
  options.beam = 4;
  options.max_length = 8;
  for (const Ids& source : {Ids{3, 4, 5}, Ids{6, 6}, Ids{5, 3, 6, 4, 4}}) {
    const auto rank = [&](const Hypothesis& h) {
      return h.log_probability / std::pow((6 + static_cast<double>(h.tokens.size())) / 6, 0.6);
    };
    const std::vector<Hypothesis> found = beam_search(model, padded({source}), options);
    REQUIRE(found.size() == 4);
    for (std::size_t i = 1; i < found.size(); ++i) {
      CHECK(rank(found[i - 1]) >= rank(found[i]));
      CHECK(found[i - 1].tokens != found[i].tokens);
    }
    const auto length = static_cast<std::int64_t>(source.size());
    CHECK(rank(found[0]) >=
          rank(greedy(model, padded({source}), from_list({length}), options).front()) - 1e-6);
  }
}

TEST_CASE("weights are kept only where they are wanted and there are any") {
  const Seq2Seq model = trained_model();
  DecodeOptions options;
  options.keep_weights = false;
  options.beam = 2;
  CHECK(greedy(model, padded({{3, 4}}), from_list({2}), options).front().weights.empty());
  CHECK(beam_search(model, padded({{3, 4}}), options).front().weights.empty());
  const Seq2Seq blind = trained_model(Attention::none);
  CHECK(greedy(blind, padded({{3, 4}}), from_list({2})).front().weights.empty());
  CHECK(!greedy(blind, padded({{3, 4}}), from_list({2})).front().tokens.empty());
}
