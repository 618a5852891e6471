// The attention model of nn/seq2seq.h at work: a training step, a forward pass, greedy decoding;
// and the memory that training holds as it goes on.

#include <unistd.h>

#include <algorithm>
#include <fstream>

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

// Memory that the process holds now.
double resident_mib() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

// Trains on batches of many lengths, and prints what is held after so many steps.
template <class Step>
void watch_memory(const bench::Config& config, const Step& step) {
  std::vector<nn::Batch> batches;
  for (int i = 0; i < 16; ++i) {
    bench::Config shorter = config;
    shorter.source = config.source * (32 - i) / 32;
    shorter.target = config.target * (32 - i) / 32;
    batches.push_back(make_batch(shorter, config.batch));
  }
  for (std::size_t done = 1; done <= 10000; ++done) {
    step(batches[done % batches.size()]);
    if (done != 100 && done != 1000 && done != 10000) continue;
    std::printf(
        "{\"peer\":\"attune\",\"bench\":\"%s_memory\",\"step\":%zu,\"resident_mib\":%.1f}\n",
        config.name, done, resident_mib());
    std::fflush(stdout);
  }
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
  if (arguments.what == "train" || arguments.what == "memory") {
    optim::Adam adam(model.parameters(), {.learning_rate = 1e-3});
    const auto step = [&](const nn::Batch& on) {
      model.zero_grad();
      model.loss(on).backward();
      adam.step(optim::clip_scale(optim::gradient_norm(model.parameters()), 1));
    };
    if (arguments.what == "memory") {
      watch_memory(config, step);
      return 0;
    }
    const auto times = bench::repeat(arguments.seconds, [&] { step(batch); });
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
