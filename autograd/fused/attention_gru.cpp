#include "autograd/fused/attention_gru.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "autograd/fused/fused.h"
#include "autograd/fused/gru.h"
#include "autograd/kernels/attention_gru.h"
#include "autograd/packing.h"

namespace attune {
namespace {

// The same with padding, and a mask over it.
AttentionGRUInputs padded(const AttentionGRUInputs& packed) {
  const Steps& source = *packed.source;
  AttentionGRUInputs in = packed;
  in.keys = unpack(packed.keys, source);
  in.values = unpack(packed.values, source);
  if (source.lengths().defined()) {
    in.mask = ge(arange(0, static_cast<double>(source.time())), unsqueeze(source.lengths(), 1));
  }
  in.source.reset();
  return in;
}

}  // namespace

AttentionGRUResult attention_gru_composition(const AttentionGRUInputs& in, const Steps& steps) {
  if (in.source) return attention_gru_composition(padded(in), steps);
  Tensor h = in.initial;
  std::vector<Tensor> states{zeros({steps.batch(), 0, h.size(1)}, h.dtype())};
  std::vector<Tensor> looks{zeros({steps.batch(), 0, in.keys.size(1)}, h.dtype())};
  for (const Tensor& input : unbind(unpack(in.input, steps), 1)) {
    const Tensor query = unsqueeze(linear(h, in.query_weight), 1);  // [batch, 1, attention]
    Tensor scores = matmul(tanh(query + in.keys), in.v);            // [batch, source]
    if (in.mask.defined()) scores = masked_fill(scores, in.mask, -1e30);
    Tensor weights = softmax(scores);
    if (in.mask.defined()) weights = masked_fill(weights, in.mask, 0);
    const Tensor context = squeeze(matmul(unsqueeze(weights, 1), in.values), 1);
    const Tensor seen = in.context_weight.defined() ? linear(context, in.context_weight) : context;
    h = gru_gates_composition(input + seen, linear(h, in.weight, in.bias), h);
    states.push_back(unsqueeze(h, 1));
    looks.push_back(unsqueeze(weights.detach(), 1));
  }
  return {pack(cat(states, 1), steps), pack(cat(looks, 1), steps)};
}

namespace {

AttentionGruSizes sizes_of(const AttentionGRUInputs& in) {
  return {in.source ? in.source->time() : in.keys.size(1), in.initial.size(1), in.v.size(0),
          in.values.size(-1)};
}

// Of keys or values of that many features.
Shape shape_of_memory(const AttentionGRUInputs& in, std::int64_t features) {
  if (in.source) return {in.source->count(), features};
  return {in.initial.size(0), in.keys.size(1), features};
}

void check(const AttentionGRUInputs& in, const Steps& steps, const Site& site) {
  const Operand first(in.input, site);
  detail::check_floating("attention_gru", first);
  const std::pair<const char*, const Tensor*> others[] = {{"initial", &in.initial},
                                                          {"keys", &in.keys},
                                                          {"values", &in.values},
                                                          {"query_weight", &in.query_weight},
                                                          {"v", &in.v},
                                                          {"weight", &in.weight},
                                                          {"bias", &in.bias}};
  for (const auto& [name, tensor] : others) {
    detail::check_same_dtype("attention_gru", first, Operand(*tensor, site));
  }
  if (in.context_weight.defined()) {
    detail::check_same_dtype("attention_gru", first, Operand(in.context_weight, site));
  }
  const auto fail = [&](const char* name, const Tensor& tensor, const std::string& wanted) {
    misuse("attention_gru", site,
           fmt::format("{} is {}, and must be {}", name, to_string(tensor.shape()), wanted));
  };
  if (in.initial.rank() != 2) fail("initial", in.initial, "[batch, hidden]");
  const std::size_t rank = in.source ? 2 : 3;
  const std::string places = in.source ? "[places, " : "[batch, source, ";
  if (in.keys.rank() != rank) fail("keys", in.keys, places + "attention]");
  if (in.values.rank() != rank) fail("values", in.values, places + "features]");
  if (in.v.rank() != 1) fail("v", in.v, "[attention]");
  if (steps.order() != StepOrder::forward) {
    misuse("attention_gru", site, "the steps do not run forward", "Make them StepOrder::forward.");
  }
  if (in.source && (in.source->order() != StepOrder::by_row ||
                    in.source->batch() != steps.batch() || in.mask.defined())) {
    misuse("attention_gru", site, "the source's steps do not fit",
           "Make them StepOrder::by_row, of the batch of the target's, and leave out the mask.");
  }
  const AttentionGruSizes n = sizes_of(in);
  const std::int64_t batch = steps.batch();
  const auto expect = [&](const char* name, const Tensor& tensor, const Shape& shape) {
    if (tensor.shape() != shape) fail(name, tensor, to_string(shape));
  };
  expect("input", in.input, {steps.count(), 3 * n.hidden});
  expect("initial", in.initial, {batch, n.hidden});
  expect("keys", in.keys, shape_of_memory(in, n.attention));
  expect("values", in.values, shape_of_memory(in, n.features));
  expect("query_weight", in.query_weight, {n.attention, n.hidden});
  if (in.context_weight.defined()) {
    expect("context_weight", in.context_weight, {3 * n.hidden, n.features});
  } else {
    expect("values", in.values, shape_of_memory(in, 3 * n.hidden));
  }
  expect("weight", in.weight, {3 * n.hidden, n.hidden});
  expect("bias", in.bias, {3 * n.hidden});
  if (!in.mask.defined()) return;
  expect("mask", in.mask, {batch, n.source});
  if (in.mask.dtype() != DType::boolean) {
    misuse("attention_gru", site, fmt::format("the mask is {}", name(in.mask.dtype())),
           "Make it boolean, true where not to look.");
  }
}

// The differentiable ones; the context's weight, the last, may be missing.
std::vector<Tensor> listed(const AttentionGRUInputs& in) {
  std::vector<Tensor> all{in.input,        in.initial, in.keys,   in.values,
                          in.query_weight, in.v,       in.weight, in.bias};
  if (in.context_weight.defined()) all.push_back(in.context_weight);
  return all;
}

AttentionGRUInputs named(const std::vector<Tensor>& x, const Tensor& mask,
                         const std::optional<Steps>& source) {
  const Tensor context_weight = x.size() > 8 ? x[8] : Tensor();
  return {x[0], x[1], x[2], x[3], x[4], x[5], context_weight, x[6], x[7], mask, source};
}

// The inputs as the kernels read them.
AttentionGRUInputs readable(const AttentionGRUInputs& in, const Tensor& mask) {
  const auto whole = [](const Tensor& x) { return x.detach().contiguous(); };
  const auto weight = [](const Tensor& x) { return packable(x.detach()); };
  return {whole(in.input),
          whole(in.initial),
          whole(in.keys),
          whole(in.values),
          weight(in.query_weight),
          whole(in.v),
          in.context_weight.defined() ? weight(in.context_weight) : Tensor(),
          weight(in.weight),
          whole(in.bias),
          mask,
          in.source};
}

struct KeyPowers {
  Tensor powers;    // like the keys
  Tensor possible;  // bool [places]
};

// A decoder that goes step by step has the same keys at every step.
std::shared_ptr<const KeyPowers> powers_of(const Tensor& keys) {
  return kept_with<KeyPowers>(keys, [&] {
    const std::int64_t size = keys.size(-1), places = size > 0 ? keys.numel() / size : 0;
    auto found = std::make_shared<KeyPowers>(
        KeyPowers{empty(keys.shape(), keys.dtype()), empty({places}, DType::boolean)});
    dispatch_floating(keys.dtype(), [&]<class T>(T) {
      find_powers(places, size, keys.raw<T>(), found->powers.template raw<T>(),
                  found->possible.raw<bool>());
    });
    return found;
  });
}

// What each row of the batch may look at.
std::vector<MemoryRow> memory_of(const AttentionGRUInputs& in, const KeyPowers& powers) {
  const auto row_of = [possible = powers.possible.raw<bool>(), none = powers.possible.numel() == 0](
                          std::int64_t begin, std::int64_t count) {
    const bool* const first = possible + begin;
    const bool by_powers = none || std::all_of(first, first + count, [](bool x) { return x; });
    return MemoryRow{begin, count, by_powers};
  };
  std::vector<MemoryRow> memory(static_cast<std::size_t>(in.initial.size(0)));
  if (in.source) {
    for (const StepTask& task : in.source->tasks()) {
      memory[static_cast<std::size_t>(task.rows[0])] = row_of(task.start(0), task.time());
    }
    return memory;
  }
  std::int64_t begin = 0;
  for (MemoryRow& row : memory) {
    row = row_of(begin, in.keys.size(1));
    begin += row.count;
  }
  return memory;
}

template <class T>
AttentionKeys<T> readable(const Tensor& keys, const KeyPowers& powers) {
  return {keys.raw<T>(), powers.powers.raw<T>()};
}

// What the backward pass reads beside the inputs.
struct Trace {
  Tensor queries;   // [steps, attention]
  Tensor weights;   // [steps, source]
  Tensor contexts;  // [steps, features]
  Tensor kept;      // [steps, 4 hidden]
  Tensor output;    // [steps, hidden]
};

Trace empty_trace(const AttentionGruSizes& n, std::int64_t steps, DType dtype) {
  const auto of = [&](std::int64_t size) { return empty({steps, size}, dtype); };
  return {of(n.attention), of(n.source), of(n.features), of(4 * n.hidden), of(n.hidden)};
}

// The context's weight, or its transpose, as the kernels read it; null where there is none.
template <class T>
std::shared_ptr<const PackedMatrix<T>> packed_if_defined(const Tensor& weight, bool transposed) {
  if (!weight.defined()) return nullptr;
  return packed<T>(transposed ? transpose(weight) : weight);
}

std::vector<Tensor> attention_gru_backward_pass(const AttentionGRUInputs& in, const Trace& trace,
                                                const Steps& steps, const Tensor& g) {
  const AttentionGruSizes n = sizes_of(in);
  const DType dtype = g.dtype();
  const Tensor by_output = g.contiguous();
  const auto of_steps = [&](std::int64_t size) { return empty({steps.count(), size}, dtype); };
  const Tensor previous = of_steps(n.hidden);
  const Tensor by_initial = empty({steps.batch(), n.hidden}, dtype);
  const Tensor by_input = of_steps(3 * n.hidden);
  const Tensor by_recurrent = of_steps(3 * n.hidden);
  const Tensor by_queries = of_steps(n.attention);
  const Tensor by_contexts = of_steps(n.features);
  const Tensor by_keys = empty(in.keys.shape(), dtype);
  const Tensor by_values = empty(in.values.shape(), dtype);
  const Tensor by_v = empty({steps.batch(), n.attention}, dtype);
  const auto powers = powers_of(in.keys);
  const std::vector<MemoryRow> memory = memory_of(in, *powers);
  dispatch_floating(dtype, [&]<class T>(T) {
    attention_gru_backward<T>({steps.tasks(),
                               n,
                               memory,
                               readable<T>(in.keys, *powers),
                               in.values.raw<T>(),
                               *packed<T>(in.query_weight),
                               in.v.raw<T>(),
                               packed_if_defined<T>(in.context_weight, false).get(),
                               *packed<T>(in.weight),
                               in.initial.raw<T>(),
                               trace.queries.raw<T>(),
                               trace.weights.raw<T>(),
                               trace.kept.raw<T>(),
                               trace.output.raw<T>(),
                               by_output.raw<T>(),
                               previous.raw<T>(),
                               by_initial.raw<T>(),
                               by_input.raw<T>(),
                               by_recurrent.raw<T>(),
                               by_queries.raw<T>(),
                               by_contexts.raw<T>(),
                               by_keys.raw<T>(),
                               by_values.raw<T>(),
                               by_v.raw<T>()});
  });
  // The gradients of the weights are sums over all steps: one product for all of them.
  std::vector<Tensor> found{by_input,
                            by_initial,
                            by_keys,
                            by_values,
                            matmul(transpose(by_queries), previous),
                            sum(by_v, {0}),
                            matmul(transpose(by_recurrent), previous),
                            sum(by_recurrent, {0})};
  if (in.context_weight.defined()) found.push_back(matmul(transpose(by_input), trace.contexts));
  return found;
}

std::vector<Saved> saved(const std::vector<Tensor>& tensors) {
  std::vector<Saved> result;
  for (const Tensor& tensor : tensors) result.push_back(save(tensor));
  return result;
}

std::vector<Tensor> read(const std::vector<Saved>& kept) {
  std::vector<Tensor> result;
  for (const Saved& tensor : kept) result.push_back(tensor());
  return result;
}

}  // namespace

AttentionGRUResult attention_gru(const AttentionGRUInputs& inputs, const Steps& steps, Site site) {
  check(inputs, steps, site);
  const Tensor mask = inputs.mask.defined() ? inputs.mask.contiguous() : Tensor();
  const AttentionGRUInputs in = readable(inputs, mask);
  const AttentionGruSizes n = sizes_of(in);
  const Trace trace = empty_trace(n, steps.count(), in.input.dtype());
  const auto powers = powers_of(in.keys);
  const std::vector<MemoryRow> memory = memory_of(in, *powers);
  dispatch_floating(in.input.dtype(), [&]<class T>(T) {
    attention_gru_forward<T>({steps.tasks(), n, memory, in.input.raw<T>(), in.initial.raw<T>(),
                              readable<T>(in.keys, *powers), in.values.raw<T>(),
                              mask.defined() ? mask.raw<bool>() : nullptr,
                              *packed<T>(transpose(in.query_weight)), in.v.raw<T>(),
                              packed_if_defined<T>(in.context_weight, true).get(),
                              *packed<T>(transpose(in.weight)), in.bias.raw<T>(),
                              trace.queries.raw<T>(), trace.weights.raw<T>(),
                              trace.contexts.raw<T>(), trace.kept.raw<T>(), trace.output.raw<T>()});
  });
  const std::vector<Tensor> originals = listed(inputs);
  std::vector<Operand> operands;
  for (const Tensor& original : originals) operands.emplace_back(original, site);
  if (!needs_recording(operands)) return {trace.output, trace.weights};
  const auto kept_inputs = saved(listed(in));
  const auto kept_trace = saved({trace.queries, trace.weights, trace.contexts, trace.kept});
  const auto kept_mask = mask.defined() ? saved({mask}) : saved({});
  const auto backward = [kept_inputs, kept_trace, output = save_output(trace.output), steps,
                         source = in.source](std::span<const Tensor> g, const Needs&) {
    const std::vector<Tensor> t = read(kept_trace);
    return attention_gru_backward_pass(named(read(kept_inputs), {}, source),
                                       {t[0], t[1], t[2], t[3], output()}, steps, g[0]);
  };
  const auto composition = [kept_mask, steps, source = in.source](const std::vector<Tensor>& x) {
    const Tensor m = kept_mask.empty() ? Tensor() : kept_mask[0]();
    return std::vector{attention_gru_composition(named(x, m, source), steps).output};
  };
  return {
      apply("attention_gru", operands, trace.output, fused_rule(operands, backward, composition)),
      trace.weights};
}

}  // namespace attune
