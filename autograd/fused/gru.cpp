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
                                     const Tensor& weight, const Tensor& bias,
                                     const Tensor& lengths, bool reverse) {
  const std::vector<Tensor> steps = unbind(input, 1);
  std::vector<Tensor> outputs(steps.size());
  Tensor h = initial;
  for (std::size_t s = 0; s < steps.size(); ++s) {
    const std::size_t t = reverse ? steps.size() - 1 - s : s;
    const Tensor recurrent = matmul(h, transpose(weight)) + bias;
    const Tensor next = gru_gates_composition(steps[t], recurrent, h);
    if (!lengths.defined()) {
      outputs[t] = h = next;
      continue;
    }
    const Tensor real = unsqueeze(gt(lengths, t), 1);  // [batch, 1]
    outputs[t] = where(real, next, 0);
    h = where(real, next, h);
  }
  const Shape none{input.size(0), 0, initial.size(1)};
  return {steps.empty() ? zeros(none, input.dtype()) : stack(outputs, 1), h};
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

void check_sequence(Operand input, Operand initial, Operand weight, Operand bias) {
  detail::check_floating("gru_sequence", input);
  for (const Operand& other : {initial, weight, bias}) {
    detail::check_same_dtype("gru_sequence", input, other);
  }
  const std::int64_t hidden = initial->rank() == 2 ? initial->size(1) : -1;
  if (input->rank() == 3 && input->size(2) == 3 * hidden && initial->size(0) == input->size(0) &&
      weight->shape() == Shape{3 * hidden, hidden} && bias->shape() == Shape{3 * hidden}) {
    return;
  }
  misuse("gru_sequence", input.site(),
         fmt::format("the input {}, the initial state {}, the weight {} and the bias {} do not fit "
                     "each other",
                     to_string(input->shape()), to_string(initial->shape()),
                     to_string(weight->shape()), to_string(bias->shape())),
         "They are [batch, time, 3 hidden], [batch, hidden], [3 hidden, hidden] and [3 hidden].");
}

void check_lengths(const Tensor& lengths, Operand input) {
  if (!lengths.defined()) return;
  if (lengths.dtype() != DType::int64 || lengths.shape() != Shape{input->size(0)}) {
    misuse("gru_sequence", input.site(),
           fmt::format("the lengths are {} {}, and must be int64 [{}]", name(lengths.dtype()),
                       to_string(lengths.shape()), input->size(0)));
  }
  for (const std::int64_t length : lengths.to_vector<std::int64_t>()) {
    if (length >= 0 && length <= input->size(1)) continue;
    misuse("gru_sequence", input.site(),
           fmt::format("the length {} does not lie within 0 and the {} steps of the input {}",
                       length, input->size(1), to_string(input->shape())));
  }
}

// What the forward pass leaves for the backward pass.
struct Trace {
  Tensor states;  // [time + 1, batch, hidden]
  Tensor kept;    // [time, batch, 4 hidden]
};

std::vector<Tensor> sequence_backward(const Trace& trace, const Tensor& weight,
                                      const Tensor& lengths, bool reverse,
                                      std::span<const Tensor> g) {
  const DType dtype = weight.dtype();
  const std::int64_t time = trace.kept.size(0);
  const std::int64_t batch = trace.states.size(1);
  const std::int64_t hidden = trace.states.size(2);
  const Tensor by_output = g[0].defined() ? g[0].contiguous() : Tensor();
  const Tensor by_state = g[1].defined() ? g[1].clone() : zeros({batch, hidden}, dtype);
  const Tensor by_input = empty({batch, time, 3 * hidden}, dtype);
  const Tensor by_recurrent = empty({time, batch, 3 * hidden}, dtype);
  dispatch_floating(dtype, [&]<class T>(T) {
    gru_sequence_backward<T>({batch, time, hidden, reverse, *packed<T>(weight),
                              lengths.defined() ? lengths.raw<std::int64_t>() : nullptr,
                              trace.states.raw<T>(), trace.kept.raw<T>(),
                              by_output.defined() ? by_output.raw<T>() : nullptr, by_state.raw<T>(),
                              by_input.raw<T>(), by_recurrent.raw<T>()});
  });
  // The gradients of weight and bias are sums over all steps: one product for all of them.
  const Tensor rows = reshape(by_recurrent, {time * batch, 3 * hidden});
  const Tensor previous = reshape(slice(trace.states, 0, 0, time), {time * batch, hidden});
  return {by_input, by_state, matmul(transpose(rows), previous), sum(rows, {0})};
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
    gru_gates_forward<T>({rows, hidden, i.raw<T>(), 3 * hidden, k.raw<T>(), previous.raw<T>(),
                          nullptr, kept.raw<T>(), next.raw<T>()});
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
                             nullptr, by_input.raw<T>(), of_gates[1], by_recurrent.raw<T>(),
                             by_previous.raw<T>()});
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
                         const Tensor& lengths, bool reverse) {
  check_sequence(input, initial, weight, bias);
  check_lengths(lengths, input);
  const std::int64_t batch = input->size(0);
  const std::int64_t time = input->size(1);
  const std::int64_t hidden = initial->size(1);
  const DType dtype = input->dtype();
  const Tensor gates = input->detach().contiguous();
  const Tensor w = packable(weight->detach());
  const Tensor b = bias->detach().contiguous();
  const Tensor real = lengths.defined() ? lengths.contiguous() : Tensor();
  const Trace trace{empty({time + 1, batch, hidden}, dtype),
                    empty({time, batch, 4 * hidden}, dtype)};
  const Tensor output = empty({batch, time, hidden}, dtype);
  {
    const NoGrad no_grad;
    select(trace.states, 0, 0).copy_(*initial);
  }
  dispatch_floating(dtype, [&]<class T>(T) {
    gru_sequence_forward<T>({batch, time, hidden, reverse, gates.raw<T>(), *packed<T>(transpose(w)),
                             b.raw<T>(), real.defined() ? real.raw<std::int64_t>() : nullptr,
                             trace.states.raw<T>(), trace.kept.raw<T>(), output.raw<T>()});
  });
  const Tensor state = select(trace.states, 0, time).clone();
  const auto saved_lengths = real.defined() ? std::optional(save(real)) : std::nullopt;
  const auto backward = [states = save(trace.states), kept = save(trace.kept), w = save(w),
                         saved_lengths, reverse](std::span<const Tensor> g, const Needs&) {
    const Tensor row_lengths = saved_lengths ? (*saved_lengths)() : Tensor();
    return sequence_backward({states(), kept()}, w(), row_lengths, reverse, g);
  };
  const auto composition = [saved_lengths, reverse](const std::vector<Tensor>& x) {
    const Tensor row_lengths = saved_lengths ? (*saved_lengths)() : Tensor();
    const GRUSequence run = gru_sequence_composition(x[0], x[1], x[2], x[3], row_lengths, reverse);
    return std::vector{run.output, run.state};
  };
  const std::vector<Operand> inputs{input, initial, weight, bias};
  const std::vector<Tensor> results = apply("gru_sequence", inputs, std::vector{output, state},
                                            fused_rule(inputs, backward, composition));
  return {results[0], results[1]};
}

}  // namespace attune
