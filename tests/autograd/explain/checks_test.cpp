// The derivative of every node by finite differences: right ones agree, wrong ones are found.

#include "autograd/explain/checks.h"

#include <doctest/doctest.h>

#include "autograd/functional.h"
#include "autograd/op.h"
#include "autograd/random.h"
#include "tests/autograd/gradcheck_table.h"

using namespace attune;
using attune::testing::Draw;
using attune::testing::Row;

namespace {

// The checks of all nodes of that op, and of all nodes if none is named.
std::vector<Explanation::Check> checks_in(const Explanation& graph, const std::string& op = "") {
  std::vector<Explanation::Check> checks;
  for (const Explanation::Node& node : graph.nodes) {
    if (!op.empty() && node.op != op) continue;
    checks.insert(checks.end(), node.checks.begin(), node.checks.end());
  }
  return checks;
}

// 3 x, with a rule that says it is `slope` x.
Tensor tripled(Operand x, double slope) {
  return apply("tripled", {x}, x->detach() * 3,
               wrt(x, [slope](const Tensor& g) { return g * slope; }));
}

Tensor double_leaf(const Shape& shape) {
  return randn(shape, 0, 1, DType::float64).requires_grad_();
}

}  // namespace

TEST_CASE("the rules of every op of the gradcheck table agree with differences") {
  for (const Row& row : attune::testing::gradcheck_table()) {
    for (int round = 3; round < 6; ++round) {
      Draw draw(attune::testing::test_seed(), round);
      const auto example = row.draw(draw);
      const Tensors outputs = example.function(example.inputs);
      if (outputs.empty() || outputs[0].numel() == 0) continue;
      CAPTURE(row.op);
      const Explanation graph =
          explain([&] { return example.function(example.inputs)[0]; }, {.check = true});
      CHECK(graph.note == "");
      // Some rows draw an op that gives its input back.
      CHECK(checks_in(graph).empty() == (graph.nodes.size() == 1));
      for (const Explanation::Check& check : checks_in(graph)) {
        CAPTURE(check.analytic);
        CAPTURE(check.numeric);
        CHECK(check.agrees());
      }
    }
  }
}

TEST_CASE("a wrong rule is found, at its own node and nowhere else, in both dtypes") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    CAPTURE(name(dtype));
    const Tensor x = randn({3, 4}, 0, 1, dtype).requires_grad_();
    for (const double slope : {3.0, 3.5}) {
      const auto make = [&] { return sum(exp(tripled(tanh(x), slope)) * x); };
      const Explanation graph = explain(make, {.check = true});
      REQUIRE(checks_in(graph, "tripled").size() == 1);
      CHECK(checks_in(graph, "tripled")[0].agrees() == (slope == 3));
      CHECK(checks_in(graph).size() == 6);
      for (const char* const op : {"tanh", "exp", "mul", "sum"}) {
        for (const Explanation::Check& check : checks_in(graph, op)) CHECK(check.agrees());
      }
    }
  }
}

TEST_CASE("elements that mask others do not make the steps large") {
  const Tensor scores = double_leaf({4, 4});
  const Tensor mask = triu(ones({4, 4}, DType::float64), 1) > 0;
  const Explanation graph = explain(
      [&] { return sum(square(softmax(masked_fill(scores, mask, -1e30)))); }, {.check = true});
  for (const Explanation::Check& check : checks_in(graph)) {
    CHECK(check.agrees());
    CHECK(check.tolerance < 1e-3);
  }
}

TEST_CASE("a value at a kink is not called wrong, and a wrong rule beside it is") {
  const Tensor x = tensor({1e-9, 1, -2}, DType::float64).requires_grad_();
  for (const Explanation::Check& check :
       checks_in(explain([&] { return sum(relu(x) + abs(x)); }, {.check = true}))) {
    CHECK(check.agrees());
  }
  const Tensor y = tensor({1.0, -2, 3}, DType::float64).requires_grad_();
  const auto wrong = [&](Operand v) {
    return apply("wrong", {v}, relu(v->detach()), wrt(v, [](const Tensor& g) { return g; }));
  };
  const auto checks = checks_in(explain([&] { return sum(wrong(y)); }, {.check = true}), "wrong");
  REQUIRE(checks.size() == 1);
  CHECK_FALSE(checks[0].agrees());
}

TEST_CASE("what rounding hides is not called wrong") {
  // The difference of large numbers: float32 has few digits left for how it changes.
  const Tensor logits = tensor({{90, 80.5, 70}, {60, 71, 55}}).requires_grad_();
  const Tensor classes = tensor({0, 1}, DType::int64);
  const auto make = [&] { return cross_entropy(logits, classes); };
  for (const Explanation::Check& check : checks_in(explain(make, {.check = true}))) {
    CHECK(check.agrees());
  }
}

TEST_CASE("inputs in the same memory are moved together, and views as their elements are") {
  const Tensor x = double_leaf({3});
  const Explanation graph = explain(
      [&] {
        const Tensor wide = expand(x, {2, 3});
        return sum(x * x) + sum(wide * transpose(expand(unsqueeze(x, 1), {3, 2})));
      },
      {.check = true});
  const auto products = checks_in(graph, "mul");
  REQUIRE(products.size() == 2);
  CHECK(products[0].of == "input 0 and input 1");
  for (const Explanation::Check& check : checks_in(graph)) CHECK(check.agrees());
}

TEST_CASE("random numbers are drawn again, and the parameters are what they were") {
  const Tensor x = double_leaf({4});
  const std::vector<double> before = x.to_vector<double>();
  manual_seed(7);
  const Explanation graph =
      explain([&] { return sum(x * rand({4}, 0, 1, DType::float64)); }, {.check = true});
  const double after = rand({1}).item();
  CHECK(graph.note == "");
  CHECK(checks_in(graph).size() == 2);
  for (const Explanation::Check& check : checks_in(graph)) CHECK(check.agrees());
  CHECK(x.to_vector<double>() == before);
  // The generator has moved on as by one call.
  manual_seed(7);
  rand({4}, 0, 1, DType::float64);
  CHECK(rand({1}).item() == after);
}

TEST_CASE("a function that does other things when called again is told of") {
  const Tensor x = double_leaf({2});
  int calls = 0;
  const Explanation graph =
      explain([&] { return ++calls > 2 ? sum(exp(x)) : sum(tanh(x)); }, {.check = true});
  CHECK(graph.note.find("does other things") != std::string::npos);
  CHECK(checks_in(graph).empty());

  std::int64_t size = 2;
  const Explanation grown =
      explain([&] { return sum(exp(expand(sum(x), {size *= 3}))); }, {.check = true});
  CHECK(grown.note.find("does other things") != std::string::npos);
}

TEST_CASE("leaves that each call makes anew cannot be moved, and are left out") {
  const Explanation graph = explain(
      [] {
        const Tensor x = tensor({1, 2}, DType::float64).requires_grad_();
        return sum(exp(x));
      },
      {.check = true});
  CHECK(checks_in(graph, "exp").empty());
  CHECK(checks_in(graph, "sum").size() == 1);
}

TEST_CASE("a constant in the memory of an input leaves nothing to check there") {
  const Tensor x = double_leaf({2});
  const Explanation graph = explain([&] { return sum(x * x.detach()); }, {.check = true});
  CHECK(checks_in(graph, "mul").empty());
}
