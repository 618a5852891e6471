#include "nn/rnn.h"

#include <fmt/format.h>

#include "autograd/fused/gru.h"
#include "nn/linear.h"

namespace attune::nn {

GRUCell::GRUCell(std::int64_t input_size, std::int64_t hidden_size)
    : weight_ih(
          parameter("weight_ih", init::fan_in_uniform({3 * hidden_size, input_size}, hidden_size))),
      weight_hh(parameter("weight_hh",
                          init::fan_in_uniform({3 * hidden_size, hidden_size}, hidden_size))),
      bias_ih(parameter("bias_ih", init::fan_in_uniform({3 * hidden_size}, hidden_size))),
      bias_hh(parameter("bias_hh", init::fan_in_uniform({3 * hidden_size}, hidden_size))) {}

Tensor GRUCell::forward(const Tensor& x, const Tensor& h) const {
  const Scope in = scope();
  return gru_gates(linear(x, weight_ih, bias_ih), linear(h, weight_hh, bias_hh), h);
}

GRU::GRU(std::int64_t input_size, std::int64_t hidden_size, GRUOptions options)
    : hidden_size_(hidden_size), dropout_(child("dropout", Dropout(options.dropout))) {
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    auto& directions = layers_.emplace_back();
    directions.push_back(direction(input_size, layer, false));
    if (options.bidirectional) directions.push_back(direction(input_size, layer, true));
    input_size = hidden_size * static_cast<std::int64_t>(directions.size());
  }
}

GRU::Direction GRU::direction(std::int64_t input_size, std::int64_t layer, bool reverse) {
  const auto name = [&](const char* what) {
    return fmt::format("{}_l{}{}", what, layer, reverse ? "_reverse" : "");
  };
  const std::int64_t gates = 3 * hidden_size_;
  Direction result;
  result.weight_ih =
      parameter(name("weight_ih"), init::fan_in_uniform({gates, input_size}, hidden_size_));
  result.weight_hh =
      parameter(name("weight_hh"), init::fan_in_uniform({gates, hidden_size_}, hidden_size_));
  result.bias_ih = parameter(name("bias_ih"), init::fan_in_uniform({gates}, hidden_size_));
  result.bias_hh = parameter(name("bias_hh"), init::fan_in_uniform({gates}, hidden_size_));
  result.reverse = reverse;
  return result;
}

GRU::Result GRU::forward(const Tensor& x, const Tensor& lengths, const Tensor& initial) const {
  const Scope in = scope();
  const std::int64_t batch = x.size(0);
  Tensor input = x;
  std::vector<Tensor> last_states;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    if (layer > 0) input = dropout_.forward(input);
    std::vector<Tensor> outputs;
    for (const Direction& d : layers_[layer]) {
      const auto index = static_cast<std::int64_t>(last_states.size());
      const Tensor h0 =
          initial.defined() ? select(initial, 0, index) : zeros({batch, hidden_size_}, x.dtype());
      const Tensor gates = linear(input, d.weight_ih, d.bias_ih);  // [batch, time, 3 hidden]
      const GRUSequence run = gru_sequence(gates, h0, d.weight_hh, d.bias_hh, lengths, d.reverse);
      outputs.push_back(run.output);
      last_states.push_back(run.state);
    }
    input = outputs.size() == 1 ? outputs[0] : cat(outputs, -1);
  }
  return {input, stack(last_states, 0)};
}

}  // namespace attune::nn
