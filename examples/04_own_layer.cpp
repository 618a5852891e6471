// A layer of one's own: examined, and at work inside the seq2seq model.

#include "examples/own_layer.h"

#include <iostream>

#include "autograd/random.h"
#include "nn/optim/adam.h"
#include "nn/seq2seq.h"
#include "nn/verify.h"

int main() {
  using namespace attune;
  manual_seed(1);
  DistanceScore score(3, 4, 2);
  const auto forward = [&](const Tensors& in) {
    return nn::attend(score, in[0], in[1], in[1], unsqueeze(in[2], 1)).context;
  };
  const Tensor padding = tensor({{0, 0, 0}, {0, 1, 1}}, DType::boolean);
  const nn::Verification verification = nn::verify(score, forward,
                                                   {randn({2, 2, 3}),
                                                    {randn({2, 3, 4}), nn::Role::sequence},
                                                    {padding, nn::Role::padding_mask}});
  std::cout << verification << '\n';

  // The task: say the source backwards. Token 1 begins a target, 2 ends it.
  nn::Seq2SeqOptions options;
  options.source_vocabulary = options.target_vocabulary = 7;
  options.embedding = 8;
  options.hidden = 16;
  const nn::Seq2Seq model(options, std::make_shared<DistanceScore>(16, 32, 8));
  nn::Batch batch;
  batch.source = tensor({{3, 4, 5}, {6, 3, 0}, {5, 6, 4}}, DType::int64);
  batch.source_lengths = tensor({3, 2, 3}, DType::int64);
  batch.target_in = tensor({{1, 5, 4, 3}, {1, 3, 6, 0}, {1, 4, 6, 5}}, DType::int64);
  batch.target_out = tensor({{5, 4, 3, 2}, {3, 6, 2, 0}, {4, 6, 5, 2}}, DType::int64);
  optim::Adam adam(model.parameters(), {.learning_rate = 0.02});
  double loss = 0;
  for (int step = 0; step <= 100; ++step) {
    adam.zero_grad();
    const Tensor now = cross_entropy(model.forward(batch), batch.target_out, 0);
    now.backward();
    adam.step();
    loss = now.item();
    if (step % 20 == 0) std::cout << "step " << step << "  loss " << loss << '\n';
  }
  return verification && loss < 0.05 ? 0 : 1;
}
