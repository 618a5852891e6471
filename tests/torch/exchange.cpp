// attune's side of the exchange of parameters with PyTorch (exchange.py): loads its layers by name
// and compares outputs; then saves layers of its own with what they compute.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "autograd/random.h"
#include "nn/rnn.h"
#include "nn/safetensors.h"
#include "nn/transformer.h"

namespace {

using namespace attune;
using Named = std::map<std::string, Tensor>;

Named load(const std::string& path) {
  const auto tensors = nn::load_safetensors(path).tensors;
  return {tensors.begin(), tensors.end()};
}

double difference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return INFINITY;
  return amax(abs(a.detach() - b)).item();
}

// Computes the outputs of `layer` on PyTorch's inputs with PyTorch's parameters, and once more with
// its own. `call(layer, inputs)` returns the outputs.
template <class Layer, class Call>
void exchange(const std::string& folder, const char* kind, Layer layer, const Call& call) {
  const std::string base = folder + "/" + kind;
  layer.to(DType::float64);
  layer.eval();
  const nn::NamedTensors own = layer.state_dict();
  Named io = load(base + ".io.safetensors");
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; io.contains(fmt::format("in.{}", i)); ++i) {
    inputs.push_back(io.at(fmt::format("in.{}", i)));
  }
  layer.load_state_dict(nn::load_safetensors(base + ".safetensors").tensors);
  const std::vector<Tensor> theirs = call(layer, inputs);
  for (std::size_t k = 0; k < theirs.size(); ++k) {
    const double error = difference(theirs[k], io.at(fmt::format("out.{}", k)));
    if (!(error < 1e-10)) {
      throw Error(fmt::format("{}: output {} differs from PyTorch's by {}", kind, k, error));
    }
  }
  fmt::print("{}: attune computes the same from PyTorch's parameters\n", kind);

  layer.load_state_dict(own);
  nn::save_safetensors(base + ".ours.safetensors", {layer.state_dict(), {}});
  const std::vector<Tensor> ours = call(layer, inputs);
  for (std::size_t k = 0; k < ours.size(); ++k) io[fmt::format("out.{}", k)] = ours[k].detach();
  nn::save_safetensors(base + ".ours.io.safetensors", {{io.begin(), io.end()}, {}});
}

// A padding mask [batch, keys] for the weights of every head and query.
Tensor for_heads(const Tensor& padding) {
  return unsqueeze(unsqueeze(padding, 1), 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: {} DIR    (see exchange.py)\n", argv[0]);
    return 2;
  }
  try {
    const std::string folder = argv[1];
    manual_seed(5);
    using Inputs = std::vector<Tensor>;
    exchange(folder, "gru", nn::GRU(4, 6, {.layers = 2, .bidirectional = true}),
             [](const nn::GRU& gru, const Inputs& in) -> Inputs {
               const auto [output, state] = gru.forward(in[0]);
               return {output, state};
             });
    exchange(folder, "lstm", nn::LSTM(4, 6, {.layers = 2}),
             [](const nn::LSTM& lstm, const Inputs& in) -> Inputs {
               const auto [output, last] = lstm.forward(in[0]);
               return {output, last.state, last.cell};
             });
    exchange(folder, "attention", nn::MultiheadAttention(8, 2, {.key_size = 3, .value_size = 6}),
             [](const nn::MultiheadAttention& attention, const Inputs& in) -> Inputs {
               const auto [context, weights] =
                   attention.forward(in[0], in[1], in[2], for_heads(in[3]));
               return {context, weights};
             });
    nn::TransformerOptions options{
        .features = 8, .heads = 2, .feedforward = 12, .activation = nn::Activation::gelu};
    exchange(folder, "encoder", nn::TransformerEncoder(options, 2),
             [](const nn::TransformerEncoder& encoder, const Inputs& in) -> Inputs {
               return {encoder.forward(in[0])};
             });
    options.norm_first = true;
    exchange(folder, "decoder", nn::TransformerDecoder(options, 2),
             [](const nn::TransformerDecoder& decoder, const Inputs& in) -> Inputs {
               nn::TransformerDecoder::Cache cache = decoder.begin(in[1]);
               return {decoder.forward(in[0], cache, for_heads(in[2])).output};
             });
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
