#include "autograd/functional.h"

#include <fmt/format.h>

#include "autograd/op.h"

namespace attune::functional {

Tensors pull_back(const Tensors& outputs, const Tensors& inputs, const Tensors& v,
                  bool create_graph) {
  Tensors reached, arriving;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (!outputs[k].requires_grad()) continue;
    reached.push_back(outputs[k]);
    arriving.push_back(v[k]);
  }
  Tensors found(inputs.size());
  if (!reached.empty()) {
    found =
        attune::grad(reached, inputs,
                     {.gradients = arriving, .create_graph = create_graph, .allow_unused = true});
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!found[i].defined()) found[i] = zeros(inputs[i].shape(), inputs[i].dtype());
  }
  return found;
}

namespace {

// One evaluation of f, recorded from its inputs on.
struct Recorded {
  Tensors inputs, outputs;
  bool differentiable;  // whether what is made of it shall be recorded in turn
};

// An input that requires a gradient goes in as a node of its own, so that the graph it comes from
// is not part of the evaluation, but is reached by later derivatives.
Recorded record(const TensorFunction& f, const Tensors& x) {
  Recorded result{{}, {}, false};
  const bool nested = grad_enabled();
  const EnableGrad recording;
  for (const Tensor& input : x) {
    const bool outer = nested && input.requires_grad();
    result.differentiable |= outer;
    result.inputs.push_back(outer ? identity(input) : input.detach().requires_grad_());
  }
  result.outputs = f(result.inputs);
  return result;
}

void check_like(const char* caller, const char* what, const Tensors& given, const Tensors& wanted,
                const char* owner) {
  const auto fail = [&](const std::string& facts) {
    throw Error(fmt::format("{}: {}. Pass one {} for each {}, of its shape and dtype.", caller,
                            facts, what, owner));
  };
  if (given.size() != wanted.size()) {
    fail(fmt::format("{} {}s for {} {}s", given.size(), what, wanted.size(), owner));
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].shape() == wanted[i].shape() && given[i].dtype() == wanted[i].dtype()) continue;
    fail(fmt::format("{} {} is {} {}, the {} {} {}", what, i, name(given[i].dtype()),
                     to_string(given[i].shape()), owner, name(wanted[i].dtype()),
                     to_string(wanted[i].shape())));
  }
}

void check_scalar(const char* caller, const Tensors& outputs) {
  if (outputs.size() == 1 && outputs[0].numel() == 1) return;
  throw Error(fmt::format(
      "{}: the function returned {}, and must return one scalar. Reduce with sum() or mean(), or "
      "use vjp() or jacobian().",
      caller,
      outputs.size() == 1 ? "a tensor of shape " + to_string(outputs[0].shape())
                          : fmt::format("{} tensors", outputs.size())));
}

Tensors ones_like(const Tensors& outputs) {
  Tensors result;
  for (const Tensor& output : outputs) result.push_back(ones(output.shape(), output.dtype()));
  return result;
}

}  // namespace

TensorFunction grad(const TensorFunction& f) {
  return [f](const Tensors& x) {
    const Recorded run = record(f, x);
    check_scalar("functional::grad", run.outputs);
    return pull_back(run.outputs, run.inputs, ones_like(run.outputs), run.differentiable);
  };
}

Tensors vjp(const TensorFunction& f, const Tensors& x, const Tensors& v) {
  const Recorded run = record(f, x);
  check_like("functional::vjp", "vector", v, run.outputs, "output");
  return pull_back(run.outputs, run.inputs, v, run.differentiable);
}

Tensors jvp(const TensorFunction& f, const Tensors& x, const Tensors& t) {
  check_like("functional::jvp", "tangent", t, x, "input");
  const Recorded run = record(f, x);
  Tensors v;
  for (const Tensor& output : run.outputs) {
    v.push_back(zeros(output.shape(), output.dtype()).requires_grad_());
  }
  const Tensors products = pull_back(run.outputs, run.inputs, v, true);
  return pull_back(products, v, t, run.differentiable);
}

Tensors hvp(const TensorFunction& f, const Tensors& x, const Tensors& t) {
  check_like("functional::hvp", "vector", t, x, "input");
  return vjp(grad(f), x, t);
}

namespace {

// The gradients of every element of `output` by the inputs: [elements of the output][input].
std::vector<Tensors> rows(const Recorded& run, const Tensor& output) {
  std::vector<Tensors> result;
  const Tensor units = eye(output.numel(), output.dtype());
  for (std::int64_t i = 0; i < output.numel(); ++i) {
    const GradOptions options{.gradients = {reshape(select(units, 0, i), output.shape())},
                              .retain_graph = true,
                              .create_graph = run.differentiable,
                              .allow_unused = true};
    Tensors row(run.inputs.size());
    if (output.requires_grad()) row = attune::grad({output}, run.inputs, options);
    result.push_back(std::move(row));
  }
  return result;
}

// The gradients by one input as a tensor [output..., input...].
Tensor stacked(const std::vector<Tensors>& rows, std::size_t input, const Tensor& x,
               const Tensor& output) {
  Shape shape = output.shape();
  for (const std::int64_t size : x.shape()) shape.push_back(size);
  Tensors of_input;
  for (const Tensors& row : rows) {
    of_input.push_back(row[input].defined() ? row[input] : zeros(x.shape(), x.dtype()));
  }
  return of_input.empty() ? zeros(shape, x.dtype()) : reshape(stack(of_input), shape);
}

}  // namespace

std::vector<Tensors> jacobian(const TensorFunction& f, const Tensors& x) {
  const Recorded run = record(f, x);
  std::vector<Tensors> result;
  for (const Tensor& output : run.outputs) {
    const std::vector<Tensors> by_element = rows(run, output);
    Tensors by_input;
    for (std::size_t i = 0; i < x.size(); ++i) {
      by_input.push_back(stacked(by_element, i, x[i], output));
    }
    result.push_back(std::move(by_input));
  }
  return result;
}

std::vector<Tensors> hessian(const TensorFunction& f, const Tensors& x) {
  return jacobian(grad(f), x);
}

}  // namespace attune::functional
