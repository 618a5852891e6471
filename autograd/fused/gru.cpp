#include "autograd/fused/gru.h"

#include <fmt/format.h>

#include "autograd/fused/fused.h"
#include "autograd/kernels/gru.h"
#include "autograd/packing.h"

namespace attune {

Tensor gru_gates_composition(const Tensor& input, const Tensor& recurrent, const Tensor& h) {
  const std::int64_t n_hidden = h.size(-1);
  const std::vector<std::int64_t> gates(3, n_hidden);
  const std::vector<Tensor> i = split(input, gates, -1);
  const std::vector<Tensor> k = split(recurrent, gates, -1);
  const Tensor r = sigmoid(i[0] + k[0]);
  const Tensor z = sigmoid(i[1] + k[1]);
  const Tensor n = tanh(i[2] + r * k[2]);
  return (1 - z) * n + z * h;
}

GRUSequence gru_sequence_composition(const Tensor& input, const Tensor& initial,
                                     const Tensor& weight, const Tensor& bias, const Steps& steps) {
  const std::vector<Tensor> inputs = unbind(unpack(input, steps), 1);
  std::vector<Tensor> outputs(inputs.size());
  Tensor h = initial;
  for (std::size_t s = 0; s < inputs.size(); ++s) {
    const std::size_t t = steps.order() == StepOrder::reverse ? inputs.size() - 1 - s : s;
    const Tensor next = gru_gates_composition(inputs[t], linear(h, weight, bias), h);
    outputs[t] = next;
    h = steps.lengths().defined() ? where(unsqueeze(gt(steps.lengths(), t), 1), next, h) : next;
  }
  if (outputs.empty()) return {zeros({0, h.size(1)}, h.dtype()), h};
  return {pack(stack(outputs, 1), steps), h};
}

namespace {

void check_gates(Operand input, Operand recurrent, Operand h) {
  detail::check_floating("gru_gates", input);
  detail::check_same_dtype("gru_gates", input, recurrent);
  detail::check_same_dtype("gru_gates", input, h);
  const Shape& shape = h->shape();
  if (shape.size() == 2 && input->shape() == Shape{shape[0], 3 * shape[1]} &&
      recurrent->shape() == input->shape()) {
    return;
  }
  misuse("gru_gates", input.site(),
         fmt::format("the input {}, the recurrent part {} and the state {} do not fit each other",
                     to_string(input->shape()), to_string(recurrent->shape()), to_string(shape)),
         "They are [batch, 3 hidden], [batch, 3 hidden] and [batch, hidden].");
}

void check_sequence(Operand input, Operand initial, Operand weight, Operand bias,
                    const Steps& steps) {
  detail::check_floating("gru_sequence", input);
  for (const Operand& other : {initial, weight, bias}) {
    detail::check_same_dtype("gru_sequence", input, other);
  }
  const std::int64_t hidden = initial->rank() == 2 ? initial->size(1) : -1;
  if (input->shape() == Shape{steps.count(), 3 * hidden} && initial->size(0) == steps.batch() &&
      weight->shape() == Shape{3 * hidden, hidden} && bias->shape() == Shape{3 * hidden}) {
    return;
  }
  misuse("gru_sequence", input.site(),
         fmt::format("the input {}, the initial state {}, the weight {} and the bias {} do not fit "
                     "each other, or not the {} steps of {} rows",
                     to_string(input->shape()), to_string(initial->shape()),
                     to_string(weight->shape()), to_string(bias->shape()), steps.count(),
                     steps.batch()),
         "They are [steps, 3 hidden], [batch, hidden], [3 hidden, hidden] and [3 hidden].");
}

// What the backward pass reads.
struct Trace {
  Tensor initial;  // [batch, hidden]
  Tensor output;   // [steps, hidden]
  Tensor kept;     // [steps, 4 hidden]
};

std::vector<Tensor> sequence_backward(const Trace& trace, const Tensor& weight, const Steps& steps,
                                      std::span<const Tensor> g) {
  const DType dtype = weight.dtype();
  const std::int64_t hidden = trace.output.size(1);
  const Tensor by_output = g[0].defined() ? g[0].contiguous() : Tensor();
  const Tensor by_last = g[1].defined() ? g[1].contiguous() : Tensor();
  const Tensor previous = empty({steps.count(), hidden}, dtype);
  const Tensor by_input = empty({steps.count(), 3 * hidden}, dtype);
  const Tensor by_recurrent = empty({steps.count(), 3 * hidden}, dtype);
  const Tensor by_initial = empty({steps.batch(), hidden}, dtype);
  dispatch_floating(dtype, [&]<class T>(T) {
    gru_sequence_backward<T>({steps.tasks(), hidden, *packed<T>(weight), trace.initial.raw<T>(),
                              trace.output.raw<T>(), trace.kept.raw<T>(),
                              by_output.defined() ? by_output.raw<T>() : nullptr,
                              by_last.defined() ? by_last.raw<T>() : nullptr, previous.raw<T>(),
                              by_input.raw<T>(), by_recurrent.raw<T>(), by_initial.raw<T>()});
  });
  // The gradients of weight and bias are sums over all steps: one product for all of them.
  return {by_input, by_initial, matmul(transpose(by_recurrent), previous), sum(by_recurrent, {0})};
}

}  // namespace

Tensor gru_gates(Operand input, Operand recurrent, Operand h) {
  check_gates(input, recurrent, h);
  const Tensor i = input->detach().contiguous();
  const Tensor k = recurrent->detach().contiguous();
  const Tensor previous = h->detach().contiguous();
  const std::int64_t rows = h->size(0);
  const std::int64_t hidden = h->size(1);
  const Tensor kept = empty({rows, 4 * hidden}, h->dtype());
  Tensor next = empty(h->shape(), h->dtype());
  dispatch_floating(h->dtype(), [&]<class T>(T) {
    gru_gates_forward<T>(
        {rows, hidden, i.raw<T>(), k.raw<T>(), previous.raw<T>(), kept.raw<T>(), next.raw<T>()});
  });
  const auto backward = [kept = save(kept), previous = save(previous)](std::span<const Tensor> g,
                                                                       const Needs&) {
    const Shape& of_state = previous().shape();
    const Shape of_gates{of_state[0], 3 * of_state[1]};
    const Tensor by_input = empty(of_gates, g[0].dtype());
    const Tensor by_recurrent = empty(of_gates, g[0].dtype());
    const Tensor by_previous = g[0].clone();
    dispatch_floating(g[0].dtype(), [&]<class T>(T) {
      gru_gates_backward<T>({of_state[0], of_state[1], previous().raw<T>(), kept().raw<T>(),
                             by_input.raw<T>(), by_recurrent.raw<T>(), by_previous.raw<T>()});
    });
    return std::vector{by_input, by_recurrent, by_previous};
  };
  const auto composition = [](const std::vector<Tensor>& x) {
    return std::vector{gru_gates_composition(x[0], x[1], x[2])};
  };
  const std::vector<Operand> inputs{input, recurrent, h};
  return apply("gru_gates", inputs, std::move(next), fused_rule(inputs, backward, composition));
}

GRUSequence gru_sequence(Operand input, Operand initial, Operand weight, Operand bias,
                         const Steps& steps) {
  check_sequence(input, initial, weight, bias, steps);
  const std::int64_t hidden = initial->size(1);
  const DType dtype = input->dtype();
  const Tensor gates = input->detach().contiguous();
  const Tensor first = initial->detach().contiguous();
  const Tensor w = packable(weight->detach());
  const Tensor b = bias->detach().contiguous();
  const Tensor kept = empty({steps.count(), 4 * hidden}, dtype);
  const Tensor output = empty({steps.count(), hidden}, dtype);
  const Tensor last = empty({steps.batch(), hidden}, dtype);
  dispatch_floating(dtype, [&]<class T>(T) {
    gru_sequence_forward<T>({steps.tasks(), hidden, gates.raw<T>(), *packed<T>(transpose(w)),
                             b.raw<T>(), first.raw<T>(), kept.raw<T>(), output.raw<T>(),
                             last.raw<T>()});
  });
  const auto backward = [first = save(first), output = save_output(output), kept = save(kept),
                         w = save(w), steps](std::span<const Tensor> g, const Needs&) {
    return sequence_backward({first(), output(), kept()}, w(), steps, g);
  };
  const auto composition = [steps](const std::vector<Tensor>& x) {
    const GRUSequence run = gru_sequence_composition(x[0], x[1], x[2], x[3], steps);
    return std::vector{run.output, run.last};
  };
  const std::vector<Operand> inputs{input, initial, weight, bias};
  const std::vector<Tensor> results = apply("gru_sequence", inputs, std::vector{output, last},
                                            fused_rule(inputs, backward, composition));
  return {results[0], results[1]};
}

}  // namespace attune
