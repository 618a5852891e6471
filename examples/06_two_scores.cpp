// The three steps of attention - scores, weights, context - on the same vectors, with the score of
// Bahdanau, Cho & Bengio (2015) and with queries, keys and values as in Vaswani et al. (2017). Only
// the first step differs.

#include <fmt/format.h>

#include <cmath>

#include "autograd/random.h"
#include "nn/attention.h"

namespace {

using namespace attune;

void print(const char* step, const Tensor& values) {
  fmt::print("  {:<8}", step);
  for (const double value : values.to_vector<double>()) fmt::print(" {:+.3f}", value);
  fmt::print("\n");
}

// Steps two and three, which all kinds of attention share.
Tensor finish(const Tensor& scores, const Tensor& values) {
  print("scores", scores);
  const Tensor weights = softmax(scores);  // [1, source]
  print("weights", weights);
  const Tensor context = matmul(weights, values);  // [1, size]
  print("context", context);
  return context;
}

}  // namespace

int main() {
  manual_seed(3);
  const NoGrad no_grad;
  const std::int64_t source = 4, size = 3;
  const Tensor state = randn({1, size}, 0, 1, DType::float64);        // of the decoder
  const Tensor memory = randn({source, size}, 0, 1, DType::float64);  // states of the encoder

  fmt::print("Additive: e_j = v . tanh(W s + U h_j), and the values are the states h_j\n");
  nn::AdditiveScore additive(size, size, 5);
  additive.to(DType::float64);
  const Tensor hidden = tanh(matmul(state, transpose(additive.query_weight)) +
                             matmul(memory, transpose(additive.key_weight)));  // [source, 5]
  const Tensor first = finish(unsqueeze(matmul(hidden, additive.v), 0), memory);

  fmt::print(
      "\nQueries, keys, values: q = W_q s, k_j = W_k h_j, v_j = W_v h_j, e_j = q . k_j / "
      "sqrt(size)\n");
  const auto weight = [&] { return randn({size, size}, 0, 1, DType::float64); };
  const Tensor q = matmul(state, weight()), k = matmul(memory, weight());
  const Tensor v = matmul(memory, weight());
  const Tensor second = finish(matmul(q, transpose(k)) / std::sqrt(static_cast<double>(size)), v);

  // One function does all three steps for every score.
  const nn::Attended bahdanau = nn::attend(additive, state, memory, memory);
  const nn::Attended vaswani = nn::attend(nn::ScaledDotScore(), q, k, v);
  const double apart =
      amax(abs(bahdanau.context - first)).item() + amax(abs(vaswani.context - second)).item();
  fmt::print("\nnn::attend() computes both, {:.0e} apart.\n", apart);
  return apart < 1e-12 ? 0 : 1;
}
