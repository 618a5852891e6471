#include "autograd/fused/lstm.h"

#include <fmt/format.h>

#include "autograd/fused/fused.h"
#include "autograd/kernels/lstm.h"
#include "autograd/packing.h"

namespace attune {

std::pair<Tensor, Tensor> lstm_step(const Tensor& gates, const Tensor& cell) {
  const std::vector<Tensor> parts = split(gates, std::vector(4, cell.size(-1)), -1);
  const Tensor i = sigmoid(parts[0]);
  const Tensor f = sigmoid(parts[1]);
  const Tensor g = tanh(parts[2]);
  const Tensor o = sigmoid(parts[3]);
  const Tensor next = f * cell + i * g;
  return {o * tanh(next), next};
}

LSTMSequence lstm_sequence_composition(const Tensor& input, const Tensor& state, const Tensor& cell,
                                       const Tensor& weight, const Tensor& bias,
                                       const Tensor& lengths, bool reverse) {
  const std::vector<Tensor> steps = unbind(input, 1);
  std::vector<Tensor> outputs(steps.size());
  Tensor h = state;
  Tensor c = cell;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    const std::size_t t = reverse ? steps.size() - 1 - s : s;
    const auto [next, next_cell] = lstm_step(steps[t] + matmul(h, transpose(weight)) + bias, c);
    if (!lengths.defined()) {
      outputs[t] = h = next;
      c = next_cell;
      continue;
    }
    const Tensor real = unsqueeze(gt(lengths, t), 1);  // [batch, 1]
    outputs[t] = where(real, next, 0);
    h = where(real, next, h);
    c = where(real, next_cell, c);
  }
  const Shape none{input.size(0), 0, state.size(1)};
  return {steps.empty() ? zeros(none, input.dtype()) : stack(outputs, 1), h, c};
}

namespace {

void check(Operand input, Operand state, Operand cell, Operand weight, Operand bias) {
  detail::check_floating("lstm_sequence", input);
  for (const Operand& other : {state, cell, weight, bias}) {
    detail::check_same_dtype("lstm_sequence", input, other);
  }
  const std::int64_t hidden = state->rank() == 2 ? state->size(1) : -1;
  if (input->rank() == 3 && input->size(2) == 4 * hidden && state->size(0) == input->size(0) &&
      cell->shape() == state->shape() && weight->shape() == Shape{4 * hidden, hidden} &&
      bias->shape() == Shape{4 * hidden}) {
    return;
  }
  misuse("lstm_sequence", input.site(),
         fmt::format("the input {}, the initial state {} and cell {}, the weight {} and the bias "
                     "{} do not fit each other",
                     to_string(input->shape()), to_string(state->shape()), to_string(cell->shape()),
                     to_string(weight->shape()), to_string(bias->shape())),
         "They are [batch, time, 4 hidden], [batch, hidden] twice, [4 hidden, hidden] and "
         "[4 hidden].");
}

void check_lengths(const Tensor& lengths, Operand input) {
  if (!lengths.defined()) return;
  if (lengths.dtype() != DType::int64 || lengths.shape() != Shape{input->size(0)}) {
    misuse("lstm_sequence", input.site(),
           fmt::format("the lengths are {} {}, and must be int64 [{}]", name(lengths.dtype()),
                       to_string(lengths.shape()), input->size(0)));
  }
  for (const std::int64_t length : lengths.to_vector<std::int64_t>()) {
    if (length >= 0 && length <= input->size(1)) continue;
    misuse("lstm_sequence", input.site(),
           fmt::format("the length {} does not lie within 0 and the {} steps of the input {}",
                       length, input->size(1), to_string(input->shape())));
  }
}

// What the forward pass leaves for the backward pass.
struct Trace {
  Tensor states;  // [time + 1, batch, hidden]
  Tensor cells;   // [time + 1, batch, hidden]
  Tensor kept;    // [time, batch, 5 hidden]
};

Tensor gradient_or_zeros(const Tensor& g, const Shape& shape, DType dtype) {
  return g.defined() ? g.clone() : zeros(shape, dtype);
}

std::vector<Tensor> sequence_backward(const Trace& trace, const Tensor& weight,
                                      const Tensor& lengths, bool reverse,
                                      std::span<const Tensor> g) {
  const DType dtype = weight.dtype();
  const std::int64_t time = trace.kept.size(0);
  const std::int64_t batch = trace.states.size(1);
  const std::int64_t hidden = trace.states.size(2);
  const Tensor by_output = g[0].defined() ? g[0].contiguous() : Tensor();
  const Tensor by_state = gradient_or_zeros(g[1], {batch, hidden}, dtype);
  const Tensor by_cell = gradient_or_zeros(g[2], {batch, hidden}, dtype);
  const Tensor by_input = empty({batch, time, 4 * hidden}, dtype);
  const Tensor by_gates = empty({time, batch, 4 * hidden}, dtype);
  dispatch_floating(dtype, [&]<class T>(T) {
    lstm_sequence_backward<T>(
        {batch, time, hidden, reverse, *packed<T>(weight),
         lengths.defined() ? lengths.raw<std::int64_t>() : nullptr, trace.cells.raw<T>(),
         trace.kept.raw<T>(), by_output.defined() ? by_output.raw<T>() : nullptr, by_state.raw<T>(),
         by_cell.raw<T>(), by_input.raw<T>(), by_gates.raw<T>()});
  });
  // The gradients of weight and bias are sums over all steps: one product for all of them.
  const Tensor rows = reshape(by_gates, {time * batch, 4 * hidden});
  const Tensor previous = reshape(slice(trace.states, 0, 0, time), {time * batch, hidden});
  return {by_input, by_state, by_cell, matmul(transpose(rows), previous), sum(rows, {0})};
}

}  // namespace

LSTMSequence lstm_sequence(Operand input, Operand state, Operand cell, Operand weight, Operand bias,
                           const Tensor& lengths, bool reverse) {
  check(input, state, cell, weight, bias);
  check_lengths(lengths, input);
  const std::int64_t batch = input->size(0);
  const std::int64_t time = input->size(1);
  const std::int64_t hidden = state->size(1);
  const DType dtype = input->dtype();
  const Tensor gates = input->detach().contiguous();
  const Tensor w = packable(weight->detach());
  const Tensor b = bias->detach().contiguous();
  const Tensor real = lengths.defined() ? lengths.contiguous() : Tensor();
  const Trace trace{empty({time + 1, batch, hidden}, dtype),
                    empty({time + 1, batch, hidden}, dtype),
                    empty({time, batch, 5 * hidden}, dtype)};
  const Tensor output = empty({batch, time, hidden}, dtype);
  {
    const NoGrad no_grad;
    select(trace.states, 0, 0).copy_(*state);
    select(trace.cells, 0, 0).copy_(*cell);
  }
  dispatch_floating(dtype, [&]<class T>(T) {
    lstm_sequence_forward<T>(
        {batch, time, hidden, reverse, gates.raw<T>(), *packed<T>(transpose(w)), b.raw<T>(),
         real.defined() ? real.raw<std::int64_t>() : nullptr, trace.states.raw<T>(),
         trace.cells.raw<T>(), trace.kept.raw<T>(), output.raw<T>()});
  });
  const Tensor last = select(trace.states, 0, time).clone();
  const Tensor last_cell = select(trace.cells, 0, time).clone();
  const auto saved_lengths = real.defined() ? std::optional(save(real)) : std::nullopt;
  const auto backward = [states = save(trace.states), cells = save(trace.cells),
                         kept = save(trace.kept), w = save(w), saved_lengths,
                         reverse](std::span<const Tensor> g, const Needs&) {
    const Tensor row_lengths = saved_lengths ? (*saved_lengths)() : Tensor();
    return sequence_backward({states(), cells(), kept()}, w(), row_lengths, reverse, g);
  };
  const auto composition = [saved_lengths, reverse](const std::vector<Tensor>& x) {
    const Tensor row_lengths = saved_lengths ? (*saved_lengths)() : Tensor();
    const LSTMSequence run =
        lstm_sequence_composition(x[0], x[1], x[2], x[3], x[4], row_lengths, reverse);
    return std::vector{run.output, run.state, run.cell};
  };
  const std::vector<Operand> inputs{input, state, cell, weight, bias};
  const std::vector<Tensor> results =
      apply("lstm_sequence", inputs, std::vector{output, last, last_cell},
            fused_rule(inputs, backward, composition));
  return {results[0], results[1], results[2]};
}

}  // namespace attune
