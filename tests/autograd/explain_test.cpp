// explain(): what is found out about a graph, with a recording and without.

#include "autograd/explain.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/engine.h"
#include "autograd/functional.h"
#include "autograd/ops.h"
#include "autograd/scope.h"
#include "tests/autograd/live.h"
#include "tests/autograd/misuse.h"

using namespace attune;
using attune::testing::check_misuse;
using attune::testing::NothingLeft;

namespace {

using Explained = Explanation::Node;

Tensor made_leaf(std::initializer_list<NestedNumbers> numbers) {
  return tensor(numbers, DType::float64).requires_grad_();
}

// The only node of that op.
Explained op_node(const Explanation& graph, const std::string& op) {
  const Explained* found = nullptr;
  for (const Explained& node : graph.nodes) {
    if (node.op != op) continue;
    REQUIRE(found == nullptr);
    found = &node;
  }
  REQUIRE(found != nullptr);
  return *found;
}

std::vector<std::string> ops_of(const Explanation& graph, const std::vector<std::size_t>& places) {
  std::vector<std::string> ops;
  for (const std::size_t place : places) ops.push_back(graph.nodes[place].op);
  return ops;
}

}  // namespace

TEST_CASE("statistics count what is not finite, and leave it out of the rest") {
  const double inf = std::numeric_limits<double>::infinity();
  const Statistics s = statistics_of(
      from_vector(std::vector<double>{3, -1, 0, std::nan(""), inf, -inf, 0, 2}, {2, 4}));
  CHECK(s.count == 8);
  CHECK(s.nans == 1);
  CHECK(s.infinities == 2);
  CHECK(s.zeros == 2);
  CHECK(s.min == -1);
  CHECK(s.max == 3);
  CHECK(s.mean == doctest::Approx(0.8));
  CHECK(s.deviation == doctest::Approx(std::sqrt(10.8 / 5)));
  CHECK(s.norm == doctest::Approx(std::sqrt(14.0)));
  CHECK(s.histogram.front() == 1);
  CHECK(s.histogram[6] == 2);
  CHECK(s.histogram.back() == 1);

  CHECK(statistics_of(zeros({0})).count == 0);
  const Statistics huge = statistics_of(tensor({1e308, -1e308}, DType::float64));
  CHECK(huge.histogram.front() == 1);
  CHECK(huge.histogram.back() == 1);
}

TEST_CASE("the nodes of an ordinary graph, and the backward pass in the order of the engine") {
  const NothingLeft nothing_left;
  const Tensor x = made_leaf({{1, 2}, {3, 4}});
  const Tensor y = tanh(x);
  const Tensor loss = sum(y * y + x);
  const Explanation graph = explain(loss);
  REQUIRE(graph.nodes.size() == 5);
  CHECK(ops_of(graph, {0, 1, 2, 3, 4}) ==
        std::vector<std::string>{"leaf", "tanh", "mul", "add", "sum"});
  CHECK(ops_of(graph, graph.backward) ==
        std::vector<std::string>{"sum", "add", "mul", "tanh", "leaf"});
  CHECK(graph.note == "");
  CHECK(graph.parameters == 4);

  const Explained& mul = op_node(graph, "mul");
  CHECK(mul.site.starts_with("explain_test.cpp:"));
  CHECK(mul.line == "const Tensor loss = sum(y * y + x);");
  REQUIRE(mul.inputs.size() == 2);
  CHECK(mul.inputs[0].node == 1);
  CHECK(mul.inputs[1].node == 1);
  CHECK(mul.outputs[0].shape == Shape{2, 2});
  CHECK(mul.backward.has_value());
  CHECK(!mul.forward);
  // What each edge carries, and what has added up where both arrive.
  REQUIRE(mul.inputs[0].gradient);
  CHECK(mul.inputs[0].gradient->norm == doctest::Approx(statistics_of(y).norm));
  REQUIRE(op_node(graph, "tanh").outputs[0].gradient);
  CHECK(op_node(graph, "tanh").outputs[0].gradient->norm ==
        doctest::Approx(2 * statistics_of(y).norm));
}

TEST_CASE("explaining leaves .grad() alone, and the graph ready for the backward pass") {
  const Tensor x = made_leaf({1, 2});
  const Tensor loss = sum(square(x));
  explain(loss);
  CHECK(!x.grad().defined());
  loss.backward();
  CHECK(x.grad().to_vector<double>() == std::vector<double>{2, 4});
  const Explanation used = explain(loss);
  CHECK(used.note.find("retain_graph") != std::string::npos);
  CHECK(used.backward.empty());
  CHECK(used.nodes.size() == 3);
}

TEST_CASE("a rule that fails is told of, with what had been found out") {
  Tensor x = made_leaf({1, 2});
  Tensor y = x + 1;
  const Tensor loss = sum(square(y));
  {
    const NoGrad no_grad;
    y.fill_(0);
  }
  const Explanation graph = explain(loss);
  CHECK(graph.note.find("changed in place") != std::string::npos);
  CHECK(ops_of(graph, graph.backward) == std::vector<std::string>{"sum", "square"});
}

TEST_CASE("what a node saved: an output, an input, a leaf's elements, each counted once") {
  const Tensor x = made_leaf({{1, 2}, {3, 4}});
  const Tensor y = tanh(x);     // saves y
  const Tensor z = sum(x * y);  // saves x and y
  const Explanation graph = explain(z);
  const Explained& tanh_node = op_node(graph, "tanh");
  REQUIRE(tanh_node.saved.size() == 1);
  CHECK(tanh_node.saved[0].node == 1);
  CHECK(tanh_node.saved[0].bytes == 32);
  CHECK(tanh_node.saved[0].counted);
  CHECK(tanh_node.saved_bytes == 32);
  const Explained& mul = op_node(graph, "mul");
  REQUIRE(mul.saved.size() == 2);
  // y, which tanh holds already, and x, the leaf's own memory.
  CHECK(mul.saved[0].node + mul.saved[1].node == 1);
  CHECK(!mul.saved[0].counted);
  CHECK(!mul.saved[1].counted);
  CHECK(mul.saved_bytes == 0);
  // Whoever holds a tensor knows its value.
  CHECK(op_node(graph, "leaf").outputs[0].value->max == 4);
  CHECK(tanh_node.outputs[0].value->max == doctest::Approx(std::tanh(4)));
}

TEST_CASE("several things captured, joint rules and recomputed segments show what they saved") {
  const Tensor x = randn({3, 4}, 0, 1, DType::float64).requires_grad_();
  const Tensor weight = ones({4}, DType::float64).requires_grad_();
  const Tensor bias = zeros({4}, DType::float64).requires_grad_();
  const Tensor normal = layer_norm(x, weight, bias);
  // The three inputs for the composition, and x, weight, mean and scale for the kernel.
  CHECK(op_node(explain(normal), "layer_norm").saved.size() == 7);
  const Tensors again = checkpoint([](const Tensors& in) { return exp(in[0]); }, {x});
  CHECK(op_node(explain(again[0]), "checkpoint").saved.size() == 1);
}

TEST_CASE("names of leaves, and their scope: the innermost that holds all uses") {
  const Tensor x = made_leaf({1, 2});
  const Tensor w = made_leaf({3, 4});
  const Tensor b = made_leaf({5, 6});
  Tensor h;
  {
    const Scope encoder("encoder");
    {
      const Scope attention("attention");
      h = x * w;
    }
    h = h + b;
    const Scope step("step", 3);
    h = h * b;
  }
  const Explanation graph = explain(sum(h * x), {.names = {{"the weight", w}, {"b", b}}});
  CHECK(graph.nodes[0].scope.empty());
  CHECK(graph.nodes[1].label == "the weight");
  CHECK(graph.nodes[1].scope == std::vector<std::string>{"encoder", "attention"});
  CHECK(graph.nodes[2].scope == std::vector<std::string>{"encoder"});
  CHECK(graph.nodes[5].scope == std::vector<std::string>{"encoder", "step3"});
}

TEST_CASE("a recording knows every value, constant input and time; without one nothing is kept") {
  const NothingLeft nothing_left;
  const Tensor x = made_leaf({1, 2});
  const Tensor constant = tensor({3, 5}, DType::float64);
  Explanation graph;
  {
    const Recording recording;
    const Tensor loss = sum(x + constant);
    {
      const Recording inner;
      static_cast<void>(sum(x * 2));
    }
    graph = explain(loss);
  }
  const Explained& add = op_node(graph, "add");
  REQUIRE(add.outputs[0].value);
  CHECK(add.outputs[0].value->max == 7);
  CHECK(add.outputs[0].elements == "[4. 7.]");
  CHECK(add.forward.value() >= 0);
  REQUIRE(add.inputs.size() == 2);
  CHECK(add.inputs[1].node == Explanation::none);
  CHECK(add.inputs[1].shape == Shape{2});
  CHECK(op_node(graph, "leaf").outputs[0].elements == "[1. 2.]");

  const Explained& bare = op_node(explain(sum(x + constant)), "add");
  CHECK(!bare.outputs[0].value);
  CHECK(!bare.forward);
}

TEST_CASE("a function is recorded and explained") {
  const Tensor x = made_leaf({1, 2});
  const Explanation graph = explain([&] { return sum(exp(x)); });
  CHECK(op_node(graph, "exp").outputs[0].value->min == doctest::Approx(std::exp(1)));
  CHECK(op_node(graph, "sum").forward.has_value());
}

TEST_CASE("a tensor of several elements is explained with the gradient 1 for each") {
  const Tensor x = made_leaf({1, 2});
  const Explanation graph = explain(square(x));
  CHECK(op_node(graph, "square").outputs[0].gradient->mean == 1);
  CHECK(op_node(graph, "leaf").outputs[0].gradient->max == 4);
  CHECK(op_node(graph, "square").outputs[0].gradient_elements == "[1. 1.]");
  CHECK(op_node(graph, "leaf").outputs[0].gradient_elements == "[2. 4.]");
  CHECK(explain(square(x), {.backward = false}).backward.empty());
}

TEST_CASE("the columns of the text stand below each other, however long a name is") {
  const Tensor x = made_leaf({1, 2});
  const std::string name = "encoder.layers.0.self_attn.in_proj_weight";
  const std::string text = explain(sum(exp(x)), {.title = "t", .names = {{name, x}}}).text();
  const std::size_t header = text.find("  node ");
  REQUIRE(header != std::string::npos);
  const std::size_t column = text.find("called at", header) - header;
  std::size_t rows = 0;
  for (std::size_t at = text.find("\n  #"); at != std::string::npos;
       at = text.find("\n  #", at + 1)) {
    CHECK(text.find("explain_test.cpp", at) - (at + 1) == column);
    ++rows;
  }
  CHECK(rows == 3);
  CHECK(text.find(" \n") == std::string::npos);
}

TEST_CASE("many leaves that several scopes share get a scope of their own") {
  using Names = std::vector<std::string>;
  for (const std::size_t count : {4u, 5u}) {
    const Tensor own = made_leaf({3, 4});
    std::vector<Tensor> weights;
    for (std::size_t i = 0; i < count; ++i) weights.push_back(made_leaf({1, 2}));
    Tensor x = own;
    {
      const Scope model("model");
      for (const char* const name : {"first", "second"}) {
        const Scope step(name);
        for (const Tensor& weight : weights) x = x * weight;
      }
    }
    const Explanation graph = explain(sum(x));
    CHECK(graph.nodes[0].scope == Names{"model", "first"});
    for (std::size_t i = 1; i <= count; ++i) {
      REQUIRE(graph.nodes[i].op == "leaf");
      CHECK(graph.nodes[i].scope ==
            (count == 5 ? Names{"model", "shared parameters"} : Names{"model"}));
    }
  }
}

TEST_CASE("text and DOT show every node, edge and scope") {
  const Tensor x = made_leaf({1, 2});
  Tensor y;
  {
    const Scope scope("la\"yer");
    y = exp(x);
  }
  const Explanation graph = explain(sum(y), {.title = "a \"title\"", .names = {{"x", x}}});
  const std::string text = graph.text();
  for (const char* const part :
       {"3 nodes", "leaf x", "exp", "[2]", "la\"yer", "explain_test.cpp"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
  const std::string dot = graph.dot();
  CHECK(dot.starts_with("digraph \"a \\\"title\\\"\" {"));
  CHECK(dot.find("label=\"la\\\"yer\"") != std::string::npos);
  const auto edge = [&](std::size_t from, std::size_t to) {
    return "n" + std::to_string(graph.nodes[from].number) + " -> n" +
           std::to_string(graph.nodes[to].number);
  };
  CHECK(dot.find(edge(0, 1)) != std::string::npos);
  CHECK(dot.find(edge(1, 2)) != std::string::npos);
}

TEST_CASE("misuse of explain") {
  check_misuse([] { explain(Tensor()); }, "explain: there is no tensor");
  check_misuse([] { explain(ones({2})); },
               "explain: the tensor depends on nothing that requires a gradient");
  check_misuse([] { explain(sum(made_leaf({1})), {.check = true}); }, "Pass a function");
  CHECK_THROWS_AS(explain(sum(made_leaf({1}))).write("/no/such/folder/graph.html"), Error);
}
