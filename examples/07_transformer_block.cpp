// A transformer block from its parts: attention of a sequence to itself, and a small network for
// every step, each added to its input and normalised. Then the same block from nn/transformer.h.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autograd/random.h"
#include "nn/transformer.h"

namespace {

using namespace attune;

constexpr std::int64_t features = 8, heads = 2, time_steps = 5;

// x -> norm(x + attention(x)) -> norm(x + network(x)), with the weights of the layer `from`.
Tensor block(const nn::TransformerEncoderLayer& from, const Tensor& x, const Tensor& mask) {
  const nn::NamedTensors parameters = from.named_parameters();
  const auto p = [&](const std::string& name) {
    return std::find_if(parameters.begin(), parameters.end(),
                        [&](const auto& named) { return named.first == name; })
        ->second;
  };
  const auto part = [&](const Tensor& projected, std::int64_t i) {
    // [time, 3 features] -> one of queries, keys, values: [heads, time, features / heads]
    const Tensor own = slice(projected, 1, i * features, (i + 1) * features);
    return transpose(reshape(own, {time_steps, heads, features / heads}), 0, 1);
  };
  const Tensor projected = linear(x, p("self_attn.in_proj_weight"), p("self_attn.in_proj_bias"));
  const Tensor q = part(projected, 0), k = part(projected, 1), v = part(projected, 2);
  const double size = static_cast<double>(features / heads);
  const Tensor scores = matmul(q, transpose(k)) / std::sqrt(size);  // [heads, time, time]
  const Tensor weights = softmax(masked_fill(scores, mask, -1e30));
  const Tensor seen = reshape(transpose(matmul(weights, v), 0, 1), {time_steps, features});
  const Tensor attended =
      linear(seen, p("self_attn.out_proj.weight"), p("self_attn.out_proj.bias"));

  const auto norm = [&](const Tensor& y, const std::string& name) {
    const Tensor centred = y - mean(y, {-1}, true);
    const Tensor scaled = centred / sqrt(mean(square(centred), {-1}, true) + 1e-5);
    return scaled * p(name + ".weight") + p(name + ".bias");
  };
  const Tensor h = norm(x + attended, "norm1");
  const Tensor network = linear(relu(linear(h, p("linear1.weight"), p("linear1.bias"))),
                                p("linear2.weight"), p("linear2.bias"));

  fmt::print("Where each step looks (head 1); it must not look ahead:\n");
  for (std::int64_t i = 0; i < time_steps; ++i) {
    for (std::int64_t j = 0; j < time_steps; ++j) fmt::print("  {:.2f}", weights.at({0, i, j}));
    fmt::print("\n");
  }
  return norm(h + network, "norm2");
}

}  // namespace

int main() {
  manual_seed(5);
  const NoGrad no_grad;
  nn::TransformerEncoderLayer layer(
      {.features = features, .heads = heads, .feedforward = 16, .dropout = 0});
  layer.eval();
  const Tensor x = randn({time_steps, features});
  const Tensor mask = nn::causal_mask(time_steps, time_steps);
  const Tensor by_parts = block(layer, x, mask);
  const Tensor by_layer = squeeze(layer.forward(unsqueeze(x, 0), mask), 0);
  const double apart = amax(abs(by_parts - by_layer)).item();
  fmt::print("\nThe block by its parts and nn::TransformerEncoderLayer are {:.0e} apart.\n", apart);

  fmt::print("\nIts parameters, named as PyTorch names them:\n{}", layer.summary());
  return apart < 1e-5 ? 0 : 1;
}
