// seq2seq_bench.cpp for libtorch, as somebody who knows it writes it: keys projected once, logits
// and loss of all steps at once, and the encoder on padded sequences, for packing them takes
// libtorch twice the time of a whole step.

#include <torch/torch.h>

#include "tests/bench/measure.h"

namespace {

using torch::Tensor;
namespace F = torch::nn::functional;

struct Batch {
  Tensor source, mask, target;
};

Tensor ids_of(const bench::Sentences& from, int64_t rows) {
  return torch::tensor(std::vector<int64_t>(from.ids.begin(), from.ids.end())).view({rows, -1});
}

Batch make_batch(const bench::Config& config, int rows) {
  const auto source = bench::sentences(rows, config.source, config.source_vocabulary, 1);
  const auto target = bench::sentences(rows, config.target, config.target_vocabulary, 2);
  Batch batch;
  batch.source = ids_of(source, rows);
  batch.mask = batch.source.eq(0);
  batch.target = ids_of(target, rows);
  return batch;
}

struct Encoded {
  Tensor keys, values, mask, state;
};

struct Model : torch::nn::Module {
  explicit Model(const bench::Config& config)
      : source_embedding(register_module(
            "source_embedding", torch::nn::Embedding(torch::nn::EmbeddingOptions(
                                                         config.source_vocabulary, config.embedding)
                                                         .padding_idx(0)))),
        target_embedding(register_module(
            "target_embedding", torch::nn::Embedding(torch::nn::EmbeddingOptions(
                                                         config.target_vocabulary, config.embedding)
                                                         .padding_idx(0)))),
        encoder(register_module(
            "encoder", torch::nn::GRU(torch::nn::GRUOptions(config.embedding, config.hidden)
                                          .bidirectional(true)
                                          .batch_first(true)))),
        bridge(register_module("bridge", torch::nn::Linear(config.hidden, config.hidden))),
        query(register_module(
            "query", torch::nn::Linear(
                         torch::nn::LinearOptions(config.hidden, config.attention).bias(false)))),
        key(register_module(
            "key", torch::nn::Linear(
                       torch::nn::LinearOptions(2 * config.hidden, config.attention).bias(false)))),
        v(register_parameter("v", torch::rand({config.attention}) - 0.5)),
        decoder(register_module(
            "decoder", torch::nn::GRUCell(config.embedding + 2 * config.hidden, config.hidden))),
        output(register_module("output",
                               torch::nn::Linear(config.hidden, config.target_vocabulary))) {}

  Encoded encode(const Batch& batch) {
    const auto [values, last] = encoder->forward(source_embedding(batch.source));
    return {key(values), values, batch.mask, torch::tanh(bridge(last[1]))};
  }

  Tensor step(const Tensor& embedded, const Tensor& state, const Encoded& encoded) {
    const Tensor scores =
        torch::tanh(encoded.keys + query(state).unsqueeze(1)).matmul(v);  // [batch, source]
    const Tensor weights = torch::softmax(scores.masked_fill(encoded.mask, -1e30), 1);
    const Tensor context = weights.unsqueeze(1).bmm(encoded.values).squeeze(1);
    return decoder(torch::cat({embedded, context}, 1), state);
  }

  Tensor loss(const Batch& batch) {
    const Encoded encoded = encode(batch);
    const Tensor embedded = target_embedding(batch.target);
    Tensor state = encoded.state;
    std::vector<Tensor> states;
    for (int64_t t = 0; t < batch.target.size(1); ++t) {
      state = step(embedded.select(1, t), state, encoded);
      states.push_back(state);
    }
    const Tensor logits = output(torch::stack(states, 1));
    return F::cross_entropy(logits.flatten(0, 1), batch.target.flatten(),
                            F::CrossEntropyFuncOptions().ignore_index(0));
  }

  Tensor greedy(const Batch& batch, int64_t steps) {
    const Encoded encoded = encode(batch);
    Tensor state = encoded.state;
    Tensor previous = torch::ones({batch.source.size(0)}, torch::kLong);
    std::vector<Tensor> answer;
    for (int64_t t = 0; t < steps; ++t) {
      state = step(target_embedding(previous), state, encoded);
      previous = output(state).argmax(1);
      answer.push_back(previous);
    }
    return torch::stack(answer, 1);
  }

  torch::nn::Embedding source_embedding, target_embedding;
  torch::nn::GRU encoder;
  torch::nn::Linear bridge, query, key;
  Tensor v;
  torch::nn::GRUCell decoder;
  torch::nn::Linear output;
};

// The transformer as libtorch has it, with its own layers.
struct TransformerModel : torch::nn::Module {
  explicit TransformerModel(const bench::Config& config)
      : source_embedding(register_module(
            "source_embedding", torch::nn::Embedding(torch::nn::EmbeddingOptions(
                                                         config.source_vocabulary, config.hidden)
                                                         .padding_idx(0)))),
        target_embedding(register_module(
            "target_embedding", torch::nn::Embedding(torch::nn::EmbeddingOptions(
                                                         config.target_vocabulary, config.hidden)
                                                         .padding_idx(0)))),
        positions(torch::randn({std::max(config.source, config.target), 1, config.hidden})),
        transformer(register_module(
            "transformer",
            torch::nn::Transformer(torch::nn::TransformerOptions(config.hidden, config.heads)
                                       .num_encoder_layers(config.layers)
                                       .num_decoder_layers(config.layers)
                                       .dim_feedforward(config.feedforward)
                                       .dropout(0)))),
        output(register_module("output",
                               torch::nn::Linear(config.hidden, config.target_vocabulary))) {}

  Tensor embed(torch::nn::Embedding& embedding, const Tensor& ids) {
    const Tensor by_time = embedding(ids.t().contiguous());  // [time, batch, features]
    return by_time + positions.slice(0, 0, by_time.size(0));
  }

  Tensor loss(const Batch& batch) {
    const Tensor causal =
        torch::nn::TransformerImpl::generate_square_subsequent_mask(batch.target.size(1));
    const Tensor read = transformer->forward(embed(source_embedding, batch.source),
                                             embed(target_embedding, batch.target), {}, causal, {},
                                             batch.mask, {}, batch.mask);
    return F::cross_entropy(output(read).flatten(0, 1), batch.target.t().flatten(),
                            F::CrossEntropyFuncOptions().ignore_index(0));
  }

  Tensor greedy(const Batch&, int64_t) {
    throw std::runtime_error("libtorch's transformer keeps no keys and values to decode with");
  }

  torch::nn::Embedding source_embedding, target_embedding;
  Tensor positions;
  torch::nn::Transformer transformer;
  torch::nn::Linear output;
};

template <class Model>
void measure(const bench::Arguments& arguments) {
  const bench::Config& config = arguments.config;
  Model model(config);
  const Batch batch = make_batch(config, arguments.what == "greedy1" ? 1 : config.batch);
  const std::string name = std::string(config.name) + "_" + arguments.what;
  const double slots = static_cast<double>(config.batch) * config.target;
  const char* const setting = std::getenv("BENCH_SETTING");
  const std::string peer = std::string("libtorch") + (setting ? std::string("-") + setting : "");

  if (arguments.what == "train") {
    torch::optim::Adam adam(model.parameters(), torch::optim::AdamOptions(1e-3));
    const auto step = [&] {
      adam.zero_grad();
      model.loss(batch).backward();
      torch::nn::utils::clip_grad_norm_(model.parameters(), 1);
      adam.step();
    };
    const auto times = bench::repeat(arguments.seconds, step);
    bench::print(peer.c_str(), name, arguments.threads, "slots/s", true,
                 bench::rates(times, slots));
    return;
  }
  const torch::NoGradGuard no_grad;
  if (arguments.what == "fwd") {
    const auto times = bench::repeat(arguments.seconds, [&] { model.loss(batch); });
    bench::print(peer.c_str(), name, arguments.threads, "slots/s", true,
                 bench::rates(times, slots));
    return;
  }
  const auto times = bench::repeat(arguments.seconds, [&] { model.greedy(batch, config.target); });
  bench::print(peer.c_str(), name, arguments.threads, "sentences/s", true,
               bench::rates(times, static_cast<double>(batch.source.size(0))));
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::arguments(argc, argv);
  torch::set_num_threads(arguments.threads);
  torch::manual_seed(1);
  if (arguments.config.layers > 0) {
    measure<TransformerModel>(arguments);
  } else {
    measure<Model>(arguments);
  }
}
