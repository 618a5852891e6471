#include "nn/rnn.h"

#include <fmt/format.h>

#include <optional>

#include "autograd/fused/gru.h"
#include "autograd/fused/lstm.h"
#include "nn/linear.h"

namespace attune::nn {

RecurrentCell::RecurrentCell(std::int64_t input_size, std::int64_t hidden_size, std::int64_t gates,
                             bool bias)
    : weight_ih(parameter("weight_ih",
                          init::fan_in_uniform({gates * hidden_size, input_size}, hidden_size))),
      weight_hh(parameter("weight_hh",
                          init::fan_in_uniform({gates * hidden_size, hidden_size}, hidden_size))) {
  if (!bias) return;
  bias_ih = parameter("bias_ih", init::fan_in_uniform({gates * hidden_size}, hidden_size));
  bias_hh = parameter("bias_hh", init::fan_in_uniform({gates * hidden_size}, hidden_size));
}

namespace {

Tensor squashed(const Tensor& x, Nonlinearity nonlinearity) {
  return nonlinearity == Nonlinearity::tanh ? tanh(x) : relu(x);
}

// A step of the GRU with the reset gate before the product: `input` and the weight and bias of the
// state are [.., 3 hidden].
Tensor reset_before(const Tensor& input, const Tensor& h, const Tensor& weight,
                    const Tensor& bias) {
  const std::int64_t size = h.size(-1);
  const auto gates = [&](const Tensor& x) { return slice(x, -1, 0, 2 * size); };
  const auto candidate = [&](const Tensor& x) { return slice(x, -1, 2 * size, 3 * size); };
  const Tensor of_gates = slice(weight, 0, 0, 2 * size);
  const Tensor of_candidate = slice(weight, 0, 2 * size, 3 * size);
  Tensor both = gates(input) + linear(h, of_gates);
  Tensor n = candidate(input);
  if (bias.defined()) {
    both = both + gates(bias);
    n = n + candidate(bias);
  }
  const std::vector<Tensor> parts = split(sigmoid(both), {size, size}, -1);
  n = tanh(n + linear(parts[0] * h, of_candidate));
  return n + parts[1] * (h - n);
}

}  // namespace

Tensor RecurrentCell::from_input(const Tensor& x) const {
  return linear(x, weight_ih, bias_ih);
}
Tensor RecurrentCell::from_state(const Tensor& h) const {
  return linear(h, weight_hh, bias_hh);
}

Tensor RNNCell::forward(const Tensor& x, const Tensor& h) const {
  const Scope in = scope();
  return squashed(from_input(x) + from_state(h), nonlinearity_);
}

Tensor GRUCell::forward(const Tensor& x, const Tensor& h) const {
  const Scope in = scope();
  if (reset_ == Reset::before) return reset_before(from_input(x), h, weight_hh, bias_hh);
  return gru_gates(from_input(x), from_state(h), h);
}

LSTMState LSTMCell::forward(const Tensor& x, const LSTMState& before) const {
  const Scope in = scope();
  auto [state, cell] = lstm_step(from_input(x) + from_state(before.state), before.cell);
  return {state, cell};
}

Recurrent::Recurrent(std::int64_t input_size, std::int64_t hidden_size, std::int64_t gates,
                     std::size_t states, const RecurrentOptions& options)
    : hidden_size_(hidden_size),
      gates_(gates),
      states_(states),
      dropout_(child("dropout", Dropout(options.dropout))) {
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    auto& directions = layers_.emplace_back();
    directions.push_back(direction(input_size, layer, false, options.bias));
    if (options.bidirectional)
      directions.push_back(direction(input_size, layer, true, options.bias));
    input_size = hidden_size * static_cast<std::int64_t>(directions.size());
  }
}

Recurrent::Direction Recurrent::direction(std::int64_t input_size, std::int64_t layer, bool reverse,
                                          bool bias) {
  const auto named = [&](const char* what, const Shape& shape) {
    return parameter(fmt::format("{}_l{}{}", what, layer, reverse ? "_reverse" : ""),
                     init::fan_in_uniform(shape, hidden_size_));
  };
  const std::int64_t rows = gates_ * hidden_size_;
  Direction result;
  result.weight_ih = named("weight_ih", {rows, input_size});
  result.weight_hh = named("weight_hh", {rows, hidden_size_});
  if (bias) {
    result.bias_ih = named("bias_ih", {rows});
    result.bias_hh = named("bias_hh", {rows});
  }
  result.reverse = reverse;
  return result;
}

Recurrent::Sequence Recurrent::read(const Vectors& x, const Tensor& lengths,
                                    const States& initial) const {
  const Scope in = scope();
  const std::int64_t batch = x.batch();
  const auto beginning = [&](std::size_t state, std::int64_t index) {
    const bool given = state < initial.size() && initial[state].defined();
    return given ? select(initial[state], 0, index) : zeros({batch, hidden_size_}, x.dtype());
  };
  const Steps by_row(batch, x.time(), lengths, StepOrder::by_row);
  Vectors input = x;
  std::optional<Packed> output;
  std::vector<States> last(states_);
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    if (layer > 0) input = dropout_.forward(unpack(*output));
    std::vector<Packed> outputs;
    for (const Direction& d : layers_[layer]) {
      States first;
      for (std::size_t k = 0; k < states_; ++k) {
        first.push_back(beginning(k, static_cast<std::int64_t>(last[k].size())));
      }
      Sequence sequence = run(input, first, d, lengths);
      outputs.push_back(sequence.output);
      for (std::size_t k = 0; k < states_; ++k) last[k].push_back(sequence.last[k]);
    }
    output = outputs.size() == 1 ? outputs[0] : Packed{join(outputs, by_row), by_row};
  }
  Sequence result{*output, {}};
  for (const States& states : last) result.last.push_back(stack(states, 0));
  return result;
}

namespace {

// `step(input of the step, state before it)` over a sequence, with the rules for lengths: the
// states [batch, time, hidden] and the last.
template <class Step>
std::pair<Tensor, Tensor> run_steps(const Tensor& input, Tensor h, const Tensor& lengths,
                                    bool reverse, const Step& step) {
  const std::vector<Tensor> steps = unbind(input, 1);
  std::vector<Tensor> outputs(steps.size());
  for (std::size_t s = 0; s < steps.size(); ++s) {
    const std::size_t t = reverse ? steps.size() - 1 - s : s;
    const Tensor next = step(steps[t], h);
    if (!lengths.defined()) {
      outputs[t] = h = next;
      continue;
    }
    const Tensor real = unsqueeze(gt(lengths, t), 1);  // [batch, 1]
    outputs[t] = where(real, next, 0);
    h = where(real, next, h);
  }
  const Shape none{input.size(0), 0, h.size(1)};
  return {steps.empty() ? zeros(none, input.dtype()) : stack(outputs, 1), h};
}

Steps steps_of(const Vectors& x, const Tensor& lengths, bool reverse, std::int64_t hidden) {
  return Steps(x.batch(), x.time(), lengths, reverse ? StepOrder::reverse : StepOrder::forward,
               hidden);
}

// The fused kernels take a bias.
Tensor bias_or_zeros(const Tensor& bias, const Tensor& weight) {
  return bias.defined() ? bias : zeros({weight.size(0)}, weight.dtype());
}

}  // namespace

RNN::Result RNN::forward(const Vectors& x, const Tensor& lengths, const Tensor& initial) const {
  const Sequence all = read(x, lengths, {initial});
  return {unpack(all.output), all.last[0]};
}

Recurrent::Sequence RNN::run(const Vectors& x, const States& initial, const Direction& direction,
                             const Tensor& lengths) const {
  const Tensor input = linear(x.whole(), direction.weight_ih, direction.bias_ih);
  const auto step = [&](const Tensor& from_input, const Tensor& h) {
    return squashed(from_input + linear(h, direction.weight_hh, direction.bias_hh), nonlinearity_);
  };
  auto [output, state] = run_steps(input, initial[0], lengths, direction.reverse, step);
  return {pack_by_row(output, lengths), {state}};
}

GRU::Result GRU::forward(const Vectors& x, const Tensor& lengths, const Tensor& initial) const {
  const Sequence all = read(x, lengths, {initial});
  return {unpack(all.output), all.last[0]};
}

Recurrent::Sequence GRU::run(const Vectors& x, const States& initial, const Direction& direction,
                             const Tensor& lengths) const {
  if (reset_ == Reset::before) {
    const auto step = [&](const Tensor& from_input, const Tensor& h) {
      return reset_before(from_input, h, direction.weight_hh, direction.bias_hh);
    };
    const Tensor input = linear(x.whole(), direction.weight_ih, direction.bias_ih);
    auto [output, state] = run_steps(input, initial[0], lengths, direction.reverse, step);
    return {pack_by_row(output, lengths), {state}};
  }
  const Steps steps = steps_of(x, lengths, direction.reverse, direction.weight_hh.size(1));
  const Tensor input = x.linear_of(steps, direction.weight_ih, direction.bias_ih);
  const GRUSequence run =
      gru_sequence(input, initial[0], direction.weight_hh,
                   bias_or_zeros(direction.bias_hh, direction.weight_hh), steps);
  return {{run.output, steps}, {run.last}};
}

LSTM::Result LSTM::forward(const Vectors& x, const Tensor& lengths,
                           const LSTMState& initial) const {
  const Sequence all = read(x, lengths, {initial.state, initial.cell});
  return {unpack(all.output), {all.last[0], all.last[1]}};
}

Recurrent::Sequence LSTM::run(const Vectors& x, const States& initial, const Direction& direction,
                              const Tensor& lengths) const {
  const Steps steps = steps_of(x, lengths, direction.reverse, direction.weight_hh.size(1));
  const Tensor input = x.linear_of(steps, direction.weight_ih, direction.bias_ih);
  const LSTMSequence run =
      lstm_sequence(input, initial[0], initial[1], direction.weight_hh,
                    bias_or_zeros(direction.bias_hh, direction.weight_hh), steps);
  return {{run.output, steps}, {run.last, run.last_cell}};
}

}  // namespace attune::nn
