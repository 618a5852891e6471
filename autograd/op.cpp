#include "autograd/op.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune {

Tensor view(const Tensor& x, const Shape& shape, const Strides& strides, std::int64_t offset) {
  Tensor result = x.alias();
  TensorBody& body = *result.handle();
  body.shape = shape;
  body.strides = strides;
  body.offset += offset;
  body.contiguous = is_contiguous(shape, strides);
  return result;
}

Tensor identity(Operand x) {
  return apply("identity", {x}, x->alias(), wrt(x, [](const Tensor& g) { return g; }));
}

namespace detail {

void check_rules(const char* name, std::span<const Operand> inputs,
                 std::span<const Operand> rule_inputs) {
  // Nearly all ops give a rule an input, in their order.
  const auto alike = [](const Operand& a, const Operand& b) { return a->handle() == b->handle(); };
  if (std::equal(inputs.begin(), inputs.end(), rule_inputs.begin(), rule_inputs.end(), alike)) {
    return;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i]->requires_grad()) continue;
    const auto same = [&](const Operand& other) { return alike(other, inputs[i]); };
    if (std::count_if(inputs.begin(), inputs.end(), same) !=
        std::count_if(rule_inputs.begin(), rule_inputs.end(), same)) {
      misuse(name, inputs[i].site(),
             fmt::format("input {} needs a gradient, and the op has no rule for it", i),
             "Add wrt(input, rule) to its definition, or pass the input's detach().");
    }
  }
}

void throw_no_gradient(const char* name, const Site& site, const Tensor& value) {
  misuse(name, site,
         fmt::format("a result of dtype {} cannot carry a gradient", attune::name(value.dtype())),
         "Return it without apply().");
}

void check_forward(const char* name, const Site& site, const Tensor& value,
                   std::span<const Operand> inputs) {
  std::string shapes;
  std::vector<Tensor> went_in;
  for (const Operand& input : inputs) {
    shapes += (shapes.empty() ? "" : ", ") + to_string(input->shape());
    went_in.push_back(*input);
  }
  const std::string path = Scope::current().path();
  check_finite(value,
               fmt::format("forward: the result of '{}' of {}{}{}, called at {},", name, shapes,
                           path.empty() ? "" : " in ", path, to_string(site)),
               went_in);
}

void check_result_count(const Node& node, std::size_t results, std::size_t inputs) {
  if (results != inputs) {
    throw Error(fmt::format(
        "backward: the joint rule of {} returned {} gradients for {} inputs. It must return one "
        "for each, undefined where it is zero.",
        node.describe(), results, inputs));
  }
}

void throw_not_floating(const char* name, Operand x) {
  misuse(name, x.site(),
         fmt::format("it takes floating numbers, not {} of shape {}", attune::name(x->dtype()),
                     to_string(x->shape())),
         "Convert with to(DType::float32).");
}

void throw_not_numeric(const char* name, Operand x) {
  misuse(name, x.site(),
         fmt::format("it takes numbers, not bool of shape {}", to_string(x->shape())),
         "Convert with to(), or combine masks with logical_and() and logical_or().");
}

void throw_dtypes_differ(const char* name, Operand a, Operand b) {
  misuse(name, a.site(),
         fmt::format("the dtypes differ: {} {} and {} {}", attune::name(a->dtype()),
                     to_string(a->shape()), attune::name(b->dtype()), to_string(b->shape())),
         "Convert one with to().");
}

}  // namespace detail

}  // namespace attune
