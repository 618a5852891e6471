#pragma once
// All that the author of an op includes. An op is one function: it computes a value, and hands it
// to apply() with a rule for every input, which is how the gradient of the output becomes the
// gradient of that input.
//
//     Tensor matmul(Operand a, Operand b) {
//       return apply("matmul", {a, b}, gemm(a, b),
//           wrt(a, [b = save(b)](const Tensor& g) { return matmul(g, transpose(b())); }),
//           wrt(b, [a = save(a)](const Tensor& g) { return matmul(transpose(a()), g); }));
//     }
//
//     Tensor tanh(Operand x) {
//       return unary<Saves::output>("tanh", x,
//           [](auto x)         { return tanh(x); },
//           [](auto g, auto y) { return g * (1 - y * y); });
//     }
//
// A rule is written in ops, so that it can itself be differentiated. It may return a gradient of
// the output's shape for an input that was broadcast (the engine sums it down), or an undefined
// Tensor for zero. It captures what it needs through save(), never a bare Tensor or Operand.

#include <optional>
#include <tuple>
#include <utility>

#include "autograd/elementwise.h"
#include "autograd/engine.h"
#include "autograd/node.h"
#include "autograd/ops.h"

namespace attune {

template <class F>
struct Rule {
  Operand input;
  F function;
};

// The rule for one input: function(const Tensor& g) -> Tensor.
template <class F>
Rule<F> wrt(Operand input, F function) {
  return {input, std::move(function)};
}

// Which inputs need a gradient, by their place in the list given to apply().
using Needs = std::vector<bool>;

template <class F>
struct JointRule {
  F function;
};

// One rule for all inputs, for an op whose gradients are best computed together:
// function(std::span<const Tensor> g, const Needs& needs) -> std::vector<Tensor>, where g[k] is the
// gradient of output k (undefined if none arrived), and the results are in the order of the inputs.
template <class F>
JointRule<F> jointly(F function) {
  return {std::move(function)};
}

inline Saved save(const Tensor& tensor) {
  return Saved(tensor);
}
// For a value that is about to be handed to apply() as its output of that number.
inline SavedOutput save_output(const Tensor& value, std::uint32_t output = 0) {
  return SavedOutput(value, output);
}

// The elements of x seen in another shape, from `offset` elements after x's first. Not recorded.
Tensor view(const Tensor& x, const Shape& shape, const Strides& strides, std::int64_t offset = 0);

// x as the output of a node of its own.
Tensor identity(Operand x);

// Whether an op on these inputs must record itself.
template <class Inputs>
bool needs_recording(const Inputs& inputs) {
  if (!grad_enabled()) return false;
  for (const Tensor& input : inputs) {
    if (input.requires_grad()) return true;
  }
  return false;
}

namespace detail {

// Throws unless as many rules were given for every input that needs a gradient as it appears among
// the inputs; `rule_inputs` are the inputs of the rules.
void check_rules(const char* name, std::span<const Operand> inputs,
                 std::span<const Operand> rule_inputs);
[[noreturn]] void throw_no_gradient(const char* name, const Site& site, const Tensor& value);
inline void check_value(const char* name, const Site& site, const Tensor& value) {
  if (!is_floating(value.dtype())) throw_no_gradient(name, site, value);
}
void check_forward(const char* name, const Site& site, const Tensor& value,
                   std::span<const Operand> inputs);
void check_result_count(const Node& node, std::size_t results, std::size_t inputs);

// The node of an op with a rule an input. A rule whose input needs no gradient is dropped.
template <class... F>
class RuleNode final : public Node {
 public:
  RuleNode(const OpName& name, const Site& site, Rule<F>&&... rules)
      : Node(name, site),
        edges_{edge_to(rules.input)...},
        rules_{rules.input->requires_grad() ? std::optional<F>(std::move(rules.function))
                                            : std::nullopt...} {}

  std::span<const Edge> edges() const override { return edges_; }
  void run(std::span<const Tensor> gradients, BackwardPass& pass) override {
    run_each(gradients[0], pass, std::index_sequence_for<F...>());
  }
  void release() override {
    std::apply([](auto&... rules) { (rules.reset(), ...); }, rules_);
    released_ = true;
  }
  bool released() const override { return released_; }
  std::vector<SavedTensor> saved() const override { return saved_by(rules_); }

 private:
  template <std::size_t... I>
  void run_each(const Tensor& gradient, BackwardPass& pass, std::index_sequence<I...>) {
    (run_one(gradient, pass, edges_[I], std::get<I>(rules_)), ...);
  }
  template <class G>
  static void run_one(const Tensor& gradient, BackwardPass& pass, const Edge& edge,
                      const std::optional<G>& rule) {
    if (pass.wants(edge)) pass.give(edge, (*rule)(gradient));
  }

  std::array<Edge, sizeof...(F)> edges_;
  std::tuple<std::optional<F>...> rules_;
  bool released_ = false;
};

// The node of an op with one rule for all inputs.
template <class F>
class JointNode final : public Node {
 public:
  JointNode(const OpName& name, const Site& site, std::span<const Operand> inputs, F&& rule)
      : Node(name, site), rule_(std::move(rule)) {
    for (const Operand& input : inputs) edges_.push_back(edge_to(input));
  }

  std::span<const Edge> edges() const override { return edges_; }
  void run(std::span<const Tensor> gradients, BackwardPass& pass) override {
    Needs needs;
    for (const Edge& edge : edges_) needs.push_back(pass.wants(edge));
    std::vector<Tensor> results = (*rule_)(gradients, std::as_const(needs));
    check_result_count(*this, results.size(), edges_.size());
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      if (needs[i]) pass.give(edges_[i], std::move(results[i]));
    }
  }
  void release() override { rule_.reset(); }
  bool released() const override { return !rule_; }
  std::vector<SavedTensor> saved() const override { return saved_by(rule_); }

 private:
  std::vector<Edge> edges_;
  std::optional<F> rule_;
};

}  // namespace detail

// Records that `value` was computed from `inputs`, and returns it as a part of the graph. Throws if
// an input needs a gradient and has no rule.
template <class... F>
Tensor apply(OpName name, std::initializer_list<Operand> inputs, Tensor value, Rule<F>... rules) {
  const Site& site = inputs.begin()->site();
  if (anomaly_mode()) detail::check_forward(name.text, site, value, inputs);
  if (!needs_recording(inputs)) return value;
  detail::check_value(name.text, site, value);
  const std::array<Operand, sizeof...(F)> rule_inputs{rules.input...};
  detail::check_rules(name.text, inputs, rule_inputs);
  auto node = Ref<Node>::adopt(new detail::RuleNode<F...>(name, site, std::move(rules)...));
  node->add_output(value);
  if (OpObserver::current) OpObserver::current->recorded(*node, inputs, std::span(&value, 1));
  return attach(std::move(value), std::move(node), 0);
}

// The same with one rule for all inputs, and for ops with several outputs.
template <class F>
std::vector<Tensor> apply(OpName name, const std::vector<Operand>& inputs,
                          std::vector<Tensor> values, JointRule<F> rule) {
  const Site& site = inputs.front().site();
  if (anomaly_mode()) {
    for (const Tensor& value : values) detail::check_forward(name.text, site, value, inputs);
  }
  if (!needs_recording(inputs)) return values;
  const auto node =
      Ref<Node>::adopt(new detail::JointNode<F>(name, site, inputs, std::move(rule.function)));
  for (const Tensor& value : values) {
    detail::check_value(name.text, site, value);
    node->add_output(value);
  }
  if (OpObserver::current) OpObserver::current->recorded(*node, inputs, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = attach(std::move(values[i]), node, static_cast<std::uint32_t>(i));
  }
  return values;
}
template <class F>
Tensor apply(OpName name, const std::vector<Operand>& inputs, Tensor value, JointRule<F> rule) {
  std::vector<Tensor> values{std::move(value)};
  return std::move(apply(name, inputs, std::move(values), std::move(rule)).front());
}

// What the derivative formula of a unary op is given after g.
enum class Saves { nothing, input, output };
// What the derivative formula of a binary op is given after g.
enum class Uses { nothing, a, b, both };

namespace detail {

// A derivative formula with what it reads saved: over scalars in one loop, unless somebody records.
template <class F, class... Kept>
auto elementwise_rule(F formula, Kept... kept) {
  return [formula, ... kept = std::move(kept)](const Tensor& g) -> Tensor {
    if constexpr (sizeof...(Kept) == 0) {
      return formula(g);
    } else {
      return [&](const auto&... values) {
        const bool recorded =
            grad_enabled() && (g.requires_grad() || ... || values.requires_grad());
        if (recorded) return Tensor(formula(g, values...));
        return evaluate_floating(formula, g.shape(), g, values...);
      }(kept()...);
    }
  };
}

template <Uses uses, class F>
auto binary_rule(Operand a, Operand b, F formula) {
  if constexpr (uses == Uses::nothing) return elementwise_rule(formula);
  if constexpr (uses == Uses::a) return elementwise_rule(formula, save(a));
  if constexpr (uses == Uses::b) return elementwise_rule(formula, save(b));
  if constexpr (uses == Uses::both) return elementwise_rule(formula, save(a), save(b));
}

[[noreturn]] void throw_not_floating(const char* name, Operand x);
[[noreturn]] void throw_not_numeric(const char* name, Operand x);
[[noreturn]] void throw_dtypes_differ(const char* name, Operand a, Operand b);

inline void check_floating(const char* name, Operand x) {
  if (!is_floating(x->dtype())) throw_not_floating(name, x);
}
inline void check_numeric(const char* name, Operand x) {
  if (x->dtype() == DType::boolean) throw_not_numeric(name, x);
}
inline void check_same_dtype(const char* name, Operand a, Operand b) {
  if (a->dtype() != b->dtype()) throw_dtypes_differ(name, a, b);
}

}  // namespace detail

// The dtypes that an elementwise op's formula is made for.
enum class Dtypes { floating, numeric };

// The elementwise op y = formula(x), with derivative(g), derivative(g, x) or derivative(g, y).
template <Saves saves, Dtypes dtypes = Dtypes::floating, class F, class D>
Tensor unary(OpName name, Operand x, F formula, D derivative) {
  Tensor y;
  if constexpr (dtypes == Dtypes::numeric) {
    detail::check_numeric(name.text, x);
    y = evaluate_numeric(formula, x->shape(), *x);
  } else {
    detail::check_floating(name.text, x);
    y = evaluate_floating(formula, x->shape(), *x);
  }
  if constexpr (saves == Saves::output) {
    auto kept = save_output(y);
    return apply(name, {x}, std::move(y),
                 wrt(x, detail::elementwise_rule(derivative, std::move(kept))));
  } else if constexpr (saves == Saves::input) {
    return apply(name, {x}, std::move(y), wrt(x, detail::elementwise_rule(derivative, save(x))));
  } else {
    return apply(name, {x}, std::move(y), wrt(x, detail::elementwise_rule(derivative)));
  }
}

// A derivative formula of a binary op, and what it reads besides g.
template <Uses what, class F>
struct Derivative {
  static constexpr Uses uses = what;
  F formula;
};
template <Uses uses, class F>
Derivative<uses, F> derivative(F formula) {
  return {std::move(formula)};
}

// The elementwise op formula(a, b) over broadcast inputs of one dtype.
template <Dtypes dtypes = Dtypes::floating, class F, class A, class B>
Tensor binary(OpName name, Operand a, Operand b, F formula, A by_a, B by_b) {
  detail::check_same_dtype(name.text, a, b);
  const Shape shape = broadcast_shapes(name.text, a.site(), a->shape(), b->shape());
  Tensor value;
  if constexpr (dtypes == Dtypes::numeric) {
    detail::check_numeric(name.text, a);
    value = evaluate_numeric(formula, shape, *a, *b);
  } else {
    detail::check_floating(name.text, a);
    value = evaluate_floating(formula, shape, *a, *b);
  }
  return apply(name, {a, b}, std::move(value),
               wrt(a, detail::binary_rule<A::uses>(a, b, by_a.formula)),
               wrt(b, detail::binary_rule<B::uses>(a, b, by_b.formula)));
}

}  // namespace attune
