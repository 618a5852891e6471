// The attention model of nn/seq2seq.h at work: a training step, a forward pass, greedy decoding.

#include <algorithm>

#include "autograd/kernels/parallel.h"
#include "autograd/random.h"
#include "nn/decode.h"
#include "nn/optim/adam.h"
#include "nn/optim/clip.h"
#include "tests/bench/measure.h"

namespace {

using namespace attune;

Tensor ids_of(const bench::Sentences& from, std::int64_t rows) {
  const std::vector<std::int64_t> ids(from.ids.begin(), from.ids.end());
  return from_vector(ids, {rows, static_cast<std::int64_t>(ids.size()) / rows});
}

nn::Batch make_batch(const bench::Config& config, int rows) {
  const auto source = bench::sentences(rows, config.source, config.source_vocabulary, 1);
  const auto target = bench::sentences(rows, config.target, config.target_vocabulary, 2);
  const std::vector<std::int64_t> lengths(source.lengths.begin(), source.lengths.end());
  const Tensor ids = ids_of(target, rows);
  return {ids_of(source, rows), from_vector(lengths, {rows}), ids, ids};
}

nn::Seq2Seq make_model(const bench::Config& config) {
  nn::Seq2SeqOptions options;
  options.source_vocabulary = config.source_vocabulary;
  options.target_vocabulary = config.target_vocabulary;
  options.embedding = config.embedding;
  options.hidden = config.hidden;
  options.attention_size = std::max(config.attention, 1);
  if (config.layers > 0) {
    options.architecture = nn::Architecture::transformer;
    options.attention = nn::Attention::multihead;
    options.layers = config.layers;
    options.heads = config.heads;
    options.feedforward = config.feedforward;
  }
  return nn::Seq2Seq(options);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::arguments(argc, argv);
  const bench::Config& config = arguments.config;
  set_num_threads(arguments.threads);
  manual_seed(1);
  nn::Seq2Seq model = make_model(config);
  const nn::Batch batch = make_batch(config, arguments.what == "greedy1" ? 1 : config.batch);
  const std::string name = std::string(config.name) + "_" + arguments.what;
  const double slots = static_cast<double>(config.batch) * config.target;

  const auto loss = [&] { return model.loss(batch); };
  if (arguments.what == "train") {
    optim::Adam adam(model.parameters(), {.learning_rate = 1e-3});
    const auto step = [&] {
      model.zero_grad();
      loss().backward();
      adam.step(optim::clip_scale(optim::gradient_norm(model.parameters()), 1));
    };
    const auto times = bench::repeat(arguments.seconds, step);
    bench::print("attune", name, arguments.threads, "slots/s", true, bench::rates(times, slots));
    return 0;
  }
  const NoGrad no_grad;
  model.eval();
  if (arguments.what == "fwd") {
    const auto times = bench::repeat(arguments.seconds, [&] { loss(); });
    bench::print("attune", name, arguments.threads, "slots/s", true, bench::rates(times, slots));
    return 0;
  }
  nn::DecodeOptions options;
  options.eos = -1;  // never: every sentence takes all steps
  options.max_length = config.target - 1;
  options.keep_weights = false;
  const auto times = bench::repeat(
      arguments.seconds, [&] { greedy(model, batch.source, batch.source_lengths, options); });
  bench::print("attune", name, arguments.threads, "sentences/s", true,
               bench::rates(times, static_cast<double>(batch.source.size(0))));
}
