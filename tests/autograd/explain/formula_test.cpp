// The formulas that are shown are those of the source.

#include "autograd/explain/formula.h"

#include <doctest/doctest.h>

#include <set>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "examples/own_op.h"
#include "tests/autograd/gradcheck_table.h"

using namespace attune;
using attune::testing::Draw;
using attune::testing::Row;

namespace {

Formula formula_of(const Tensor& tensor) {
  const Node& node = *tensor.handle()->node;
  const auto formula = formula_at(node.definition(), node.name());
  REQUIRE(formula);
  return *formula;
}

bool mentions(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// A file of ops that exercises what the library's own do not.
constexpr const char* odd_source = R"(#include "autograd/op.h"

namespace mine {  // the "odd" ones

constexpr auto twice = [](auto x) { return x + x; };

// Not this comment.

// What is odd: "quotes", 'c', { and (.
Tensor odd(Operand x) {
  const char* const text = "a \" ) } quote";
  const auto raw = R"x(})x";
  const std::int64_t n = 1'000'000;  // a } comment
  const auto rule = [n](const Tensor& g) { return g * n; };
  return apply("odd", {x}, twice(*x, '}', n), wrt(x, rule));
}

Tensor second(Operand a, Operand b) {
  return helper(
      "second", a, b, [](auto x, auto y) { return x; });
}

}  // namespace mine
)";

}  // namespace

TEST_CASE("every op of the gradcheck table has the formulas of its forward and every derivative") {
  std::set<std::string> ops;
  for (const Row& row : attune::testing::gradcheck_table()) {
    for (int round = 0; round < 4; ++round) {
      Draw draw(attune::testing::test_seed(), round);
      const auto example = row.draw(draw);
      for (const Tensor& output : example.function(example.inputs)) {
        if (!output.requires_grad()) continue;
        const Explanation graph = explain(output, {.backward = false});
        for (const Explanation::Node& node : graph.nodes) {
          if (node.op == "leaf") continue;
          CAPTURE(row.op);
          CAPTURE(node.op);
          REQUIRE(node.formula != Explanation::none);
          const Formula& formula = graph.formulas[node.formula];
          CHECK(!formula.forward.empty());
          CHECK(mentions(formula.definition, ("\"" + node.op + "\"").c_str()));
          CHECK(formula.file.starts_with("autograd/"));
          const bool joint =
              formula.derivatives.size() == 1 && formula.derivatives[0].by == "all inputs";
          CHECK((joint || formula.derivatives.size() >= node.inputs.size()));
          for (const Formula::Derivative& derivative : formula.derivatives) {
            CHECK(!derivative.by.empty());
            CHECK(derivative.rule.starts_with('['));
          }
          ops.insert(node.op);
        }
      }
    }
  }
  CHECK(ops.size() > 55);
}

TEST_CASE("overloads of a name have the formulas of their own") {
  const Tensor x = ones({2}).requires_grad_();
  CHECK(formula_of(x * x).forward == "[](auto x, auto y) { return x * y; }");
  CHECK(formula_of(x * 2).forward == "[b = b.value](auto x) { return x * constant(x, b); }");
}

TEST_CASE("an elementwise op, an op with a rule an input, and one with a joint rule") {
  const Tensor x = ones({2, 2}).requires_grad_();
  const Formula tanh_formula = formula_of(tanh(x));
  CHECK(tanh_formula.file == "autograd/ops/unary.cpp");
  CHECK(tanh_formula.forward == "[](auto x) { return tanh(x); }");
  REQUIRE(tanh_formula.derivatives.size() == 1);
  CHECK(tanh_formula.derivatives[0].by == "x");
  CHECK(tanh_formula.derivatives[0].rule == "[](auto g, auto y) { return g * (1 - y * y); }");

  const Formula matmul_formula = formula_of(matmul(x, x));
  CHECK(matmul_formula.forward == "multiply(a, b, batch)");
  REQUIRE(matmul_formula.derivatives.size() == 2);
  CHECK(matmul_formula.derivatives[1].by == "b");
  CHECK(mentions(matmul_formula.derivatives[1].rule, "matmul(transpose(a()), g)"));
  CHECK(matmul_formula.definition.starts_with("Tensor matmul(Operand a, Operand b) {"));

  const Formula cat_formula = formula_of(cat({x, x}));
  CHECK(cat_formula.derivatives[0].by == "all inputs");
  CHECK(mentions(cat_formula.derivatives[0].rule, "slice("));
  // What only rejects misuse is no part of the formula.
  CHECK(!mentions(cat_formula.forward, "misuse"));
}

TEST_CASE("a fused op shows its rule and the composition that it equals") {
  const Formula formula = formula_of(layer_norm(ones({2, 3}).requires_grad_()));
  CHECK(mentions(formula.composition, "layer_norm_composition("));
  CHECK(mentions(formula.composition, "sqrt(variance + eps)"));
  CHECK(mentions(formula.derivatives[0].rule, "backward("));
}

TEST_CASE("an op of the user's own is found in the file that defines it") {
  const Tensor a = ones({2, 3}).requires_grad_();
  const Formula formula = formula_of(squared_distances(a, a));
  CHECK(formula.file == "own_op.h");
  CHECK(mentions(formula.definition, "// d_ij = |a_i - b_j|^2"));
  CHECK(formula.derivatives.size() == 2);
}

TEST_CASE("strings, comments and brackets within them mislead nobody") {
  const auto odd = formula_in(odd_source, 11, 1, "odd");
  REQUIRE(odd);
  CHECK(odd->definition.starts_with("// What is odd"));
  CHECK(odd->definition.ends_with("wrt(x, rule));\n}"));
  CHECK(odd->forward == "twice(*x, '}', n)");
  REQUIRE(odd->derivatives.size() == 1);
  CHECK(odd->derivatives[0].rule == "[n](const Tensor& g) { return g * n; }");
  const auto second = formula_in(odd_source, 20, 1, "second");
  REQUIRE(second);
  CHECK(second->forward == "[](auto x, auto y) { return x; }");
  CHECK(second->derivatives.empty());
  CHECK(!formula_in(odd_source, 20, 1, "third"));
  CHECK(!formula_in("", 3, 1, "odd"));
  for (std::size_t end = 0; end < std::string_view(odd_source).size(); ++end) {
    // A file that has changed or was cut off is no reason to fail.
    CHECK_NOTHROW(formula_in(std::string_view(odd_source).substr(0, end), 11, 1, "odd"));
  }
}

TEST_CASE("lines of a source are counted from 1 and trimmed") {
  CHECK(statement_at("one\n  two \nthree", 1) == "one");
  CHECK(statement_at("one\n  two \nthree", 2) == "two");
  CHECK(statement_at("one\n  two \nthree", 3) == "three");
  CHECK(statement_at("one\n  two \nthree", 4) == "");
}

TEST_CASE("a call is shown to its end, a block is not") {
  const std::string call =
      "  y = f(x,\n        g(\")\",  // (\n          z)) + h(\n            1);\n  next;";
  CHECK(statement_at(call, 1) == "y = f(x,\n      g(\")\",  // (\n        z)) + h(\n          1);");
  CHECK(statement_at(call, 2) == "g(\")\",  // (\n  z)) + h(\n    1);");
  CHECK(statement_at("for (int i : all) {\n  f(i);\n}", 1) == "for (int i : all) {");
  CHECK(statement_at("f(x,\n" + std::string(20, '\n') + ")", 1) == "f(x,");
  CHECK(statement_at("f(x,\n  never closed", 1) == "f(x,\n  never closed");
}
