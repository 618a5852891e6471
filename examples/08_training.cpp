// Training in forty lines: an encoder-decoder with attention learns to say numbers backwards.

#include <fmt/format.h>

#include "autograd/random.h"
#include "nn/decode.h"
#include "nn/optim/adam.h"
#include "nn/optim/clip.h"
#include "nn/optim/schedule.h"

using namespace attune;

// Ids: 0 is padding, 1 begins a target, 2 ends it, 3 and up are the digits.
nn::Batch random_numbers(std::int64_t rows, std::int64_t digits, Generator& generator) {
  std::vector<std::int64_t> source, in, out;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto start = static_cast<std::ptrdiff_t>(source.size());
    for (std::int64_t i = 0; i < digits; ++i) {
      source.push_back(3 + static_cast<std::int64_t>(generator.below(10)));
    }
    in.push_back(1);
    in.insert(in.end(), source.rbegin(), source.rend() - start);
    out.insert(out.end(), source.rbegin(), source.rend() - start);
    out.push_back(2);
  }
  const Tensor lengths = full({rows}, static_cast<double>(digits), DType::int64);
  return {from_vector(source, {rows, digits}), lengths, from_vector(in, {rows, digits + 1}),
          from_vector(out, {rows, digits + 1})};
}

int main() {
  manual_seed(1);
  Generator numbers(7);
  nn::Seq2SeqOptions options;
  options.source_vocabulary = options.target_vocabulary = 13;
  options.embedding = 16;
  options.hidden = options.attention_size = 32;
  nn::Seq2Seq model(options);
  optim::Adam adam(model.parameters(), {.learning_rate = 0.005});

  const int steps = 480;
  for (int step = 1; step <= steps; ++step) {
    adam.zero_grad();
    adam.set_learning_rate(0.005 * optim::cosine(step, steps));  // ends at rest
    const Tensor loss = model.loss(random_numbers(32, 6, numbers));
    loss.backward();
    optim::clip_grad_norm(model.parameters(), 1);
    adam.step();
    if (step % 60 == 0) fmt::print("step {:>3}   loss {:.4f}\n", step, loss.item());
  }

  model.eval();
  const nn::Batch unseen = random_numbers(100, 6, numbers);
  const auto written = nn::greedy(model, unseen.source, unseen.source_lengths, {.max_length = 10});
  const std::vector<std::int64_t> wanted = unseen.target_out.to_vector<std::int64_t>();
  int right = 0;
  for (std::size_t row = 0; row < 100; ++row) {
    const auto first = wanted.begin() + static_cast<std::ptrdiff_t>(7 * row);
    right += written[row].tokens == std::vector<std::int64_t>(first, first + 6);
  }
  fmt::print("{} of 100 numbers it has never seen come out right\n\nWhere it looked:\n", right);
  for (const auto& row : written[0].weights) {
    for (const float weight : row) fmt::print("  {:.2f}", static_cast<double>(weight));
    fmt::print("\n");
  }
  return right >= 90 ? 0 : 1;
}
