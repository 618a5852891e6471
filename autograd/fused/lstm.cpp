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
                                       const Steps& steps) {
  const std::vector<Tensor> inputs = unbind(unpack(input, steps), 1);
  std::vector<Tensor> outputs(inputs.size());
  Tensor h = state;
  Tensor c = cell;
  for (std::size_t s = 0; s < inputs.size(); ++s) {
    const std::size_t t = steps.order() == StepOrder::reverse ? inputs.size() - 1 - s : s;
    const auto [next, next_cell] = lstm_step(inputs[t] + linear(h, weight, bias), c);
    outputs[t] = next;
    const bool ragged = steps.lengths().defined();
    const Tensor real = ragged ? unsqueeze(gt(steps.lengths(), t), 1) : Tensor();  // [batch, 1]
    h = ragged ? where(real, next, h) : next;
    c = ragged ? where(real, next_cell, c) : next_cell;
  }
  if (outputs.empty()) return {zeros({0, h.size(1)}, h.dtype()), h, c};
  return {pack(stack(outputs, 1), steps), h, c};
}

namespace {

void check(Operand input, Operand state, Operand cell, Operand weight, Operand bias,
           const Steps& steps) {
  detail::check_floating("lstm_sequence", input);
  for (const Operand& other : {state, cell, weight, bias}) {
    detail::check_same_dtype("lstm_sequence", input, other);
  }
  const std::int64_t hidden = state->rank() == 2 ? state->size(1) : -1;
  if (input->shape() == Shape{steps.count(), 4 * hidden} && state->size(0) == steps.batch() &&
      cell->shape() == state->shape() && weight->shape() == Shape{4 * hidden, hidden} &&
      bias->shape() == Shape{4 * hidden}) {
    return;
  }
  misuse("lstm_sequence", input.site(),
         fmt::format("the input {}, the initial state {} and cell {}, the weight {} and the bias "
                     "{} do not fit each other, or not the {} steps of {} rows",
                     to_string(input->shape()), to_string(state->shape()), to_string(cell->shape()),
                     to_string(weight->shape()), to_string(bias->shape()), steps.count(),
                     steps.batch()),
         "They are [steps, 4 hidden], [batch, hidden] twice, [4 hidden, hidden] and [4 hidden].");
}

// What the backward pass reads.
struct Trace {
  Tensor state, cell;  // [batch, hidden]: the initial ones
  Tensor output;       // [steps, hidden]
  Tensor cells;        // [steps, hidden]
  Tensor kept;         // [steps, 5 hidden]
};

std::vector<Tensor> sequence_backward(const Trace& trace, const Tensor& weight, const Steps& steps,
                                      std::span<const Tensor> g) {
  const DType dtype = weight.dtype();
  const std::int64_t hidden = trace.output.size(1);
  std::array<Tensor, 3> by;  // output, last, last_cell
  for (std::size_t k = 0; k < 3; ++k) by[k] = g[k].defined() ? g[k].contiguous() : Tensor();
  const Tensor previous = empty({steps.count(), hidden}, dtype);
  const Tensor by_gates = empty({steps.count(), 4 * hidden}, dtype);
  const Tensor by_initial = empty({steps.batch(), hidden}, dtype);
  const Tensor by_initial_cell = empty({steps.batch(), hidden}, dtype);
  dispatch_floating(dtype, [&]<class T>(T) {
    const auto read = [](const Tensor& x) { return x.defined() ? x.raw<T>() : nullptr; };
    lstm_sequence_backward<T>({steps.tasks(), hidden, *packed<T>(weight), trace.state.raw<T>(),
                               trace.cell.raw<T>(), trace.output.raw<T>(), trace.cells.raw<T>(),
                               trace.kept.raw<T>(), read(by[0]), read(by[1]), read(by[2]),
                               previous.raw<T>(), by_gates.raw<T>(), by_initial.raw<T>(),
                               by_initial_cell.raw<T>()});
  });
  // The gradients of weight and bias are sums over all steps: one product for all of them.
  return {by_gates, by_initial, by_initial_cell, matmul(transpose(by_gates), previous),
          sum(by_gates, {0})};
}

}  // namespace

LSTMSequence lstm_sequence(Operand input, Operand state, Operand cell, Operand weight, Operand bias,
                           const Steps& steps) {
  check(input, state, cell, weight, bias, steps);
  const std::int64_t hidden = state->size(1);
  const DType dtype = input->dtype();
  const Tensor gates = input->detach().contiguous();
  const Tensor first = state->detach().contiguous();
  const Tensor first_cell = cell->detach().contiguous();
  const Tensor w = packable(weight->detach());
  const Tensor b = bias->detach().contiguous();
  const Tensor kept = empty({steps.count(), 5 * hidden}, dtype);
  const Tensor cells = empty({steps.count(), hidden}, dtype);
  const Tensor output = empty({steps.count(), hidden}, dtype);
  const Tensor last = empty({steps.batch(), hidden}, dtype);
  const Tensor last_cell = empty({steps.batch(), hidden}, dtype);
  dispatch_floating(dtype, [&]<class T>(T) {
    lstm_sequence_forward<T>({steps.tasks(), hidden, gates.raw<T>(), *packed<T>(transpose(w)),
                              b.raw<T>(), first.raw<T>(), first_cell.raw<T>(), kept.raw<T>(),
                              cells.raw<T>(), output.raw<T>(), last.raw<T>(), last_cell.raw<T>()});
  });
  const auto backward = [first = save(first), first_cell = save(first_cell),
                         output = save_output(output), cells = save(cells), kept = save(kept),
                         w = save(w), steps](std::span<const Tensor> g, const Needs&) {
    return sequence_backward({first(), first_cell(), output(), cells(), kept()}, w(), steps, g);
  };
  const auto composition = [steps](const std::vector<Tensor>& x) {
    const LSTMSequence run = lstm_sequence_composition(x[0], x[1], x[2], x[3], x[4], steps);
    return std::vector{run.output, run.last, run.last_cell};
  };
  const std::vector<Operand> inputs{input, state, cell, weight, bias};
  const std::vector<Tensor> results =
      apply("lstm_sequence", inputs, std::vector{output, last, last_cell},
            fused_rule(inputs, backward, composition));
  return {results[0], results[1], results[2]};
}

}  // namespace attune
