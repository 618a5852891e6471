// Nodes of the graph: what they hold, what saved tensors notice, how they die.
#include "autograd/node.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "autograd/op.h"
#include "tests/autograd/live.h"
#include "tests/difference.h"

namespace attune {
namespace {

using doctest::Contains;
using testing::NothingLeft;

const Node& node_of(const Tensor& tensor) {
  return *tensor.body().node;
}

TEST_CASE("a node knows its op, scope, line, outputs and inputs") {
  const NothingLeft check;
  const Tensor x = tensor({{1, 2}}, DType::float64).requires_grad_();
  const Tensor c = tensor({1, 2}, DType::float64);
  const Scope scope("encoder");
  const Tensor y = x * c;
  const std::string line = std::to_string(__LINE__ - 1);
  const Node& node = node_of(y);
  CHECK(std::string(node.name()) == "mul");
  CHECK(node.describe() == "'mul' in encoder, called at node_test.cpp:" + line);
  CHECK(node.output_count() == 1);
  CHECK(node.output(0).shape == Shape{1, 2});
  CHECK(node.output(0).dtype == DType::float64);
  REQUIRE(node.edges().size() == 2);
  CHECK(node.edges()[0].node == x.body().node);
  CHECK_FALSE(node.edges()[1].node);
  CHECK(node.number() > node_of(x).number());
  CHECK(node_of(y * 2).number() > node.number());
  CHECK(std::string(node_of(x).name()) == "leaf");
  CHECK(node_of(x).edges().empty());
}

TEST_CASE("nodes are counted while they live") {
  const std::int64_t before = memory_stats().live_nodes;
  {
    Tensor x = tensor({1}).requires_grad_();
    CHECK(memory_stats().live_nodes == before + 1);
    Tensor y = x * 2 + 1;
    CHECK(memory_stats().live_nodes == before + 3);
    const Tensor detached = y.detach();
    y = Tensor();
    CHECK(memory_stats().live_nodes == before + 1);
    {
      const NoGrad no_grad;
      y = x * 2;
    }
    CHECK(memory_stats().live_nodes == before + 1);
  }
  CHECK(memory_stats().live_nodes == before);
}

TEST_CASE("a tensor changed in place after it was saved is an error that names both places") {
  const NothingLeft check;
  const Tensor x = tensor({1, 2}).requires_grad_();
  Tensor c = tensor({3, 4});
  Tensor y;
  {
    const Scope scope("decoder");
    y = x * c;
  }
  const std::string saved_at = std::to_string(__LINE__ - 2);
  c.add_(ones({2}));
  const std::string changed_at = std::to_string(__LINE__ - 1);
  const std::string message = "backward: 'mul' in decoder, called at node_test.cpp:" + saved_at +
                              " saved a tensor of shape [2] that was changed in place afterwards, "
                              "by add_ called at node_test.cpp:" +
                              changed_at +
                              ". Change a clone() of it, or change it after backward().";
  CHECK_THROWS_WITH_AS(sum(y).backward(), message.c_str(), Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("a change is noticed through views, outputs and the parameter itself") {
  const NothingLeft check;
  Tensor x = tensor({1, 2}).requires_grad_();
  Tensor c = tensor({{3, 4}, {5, 6}});
  const Tensor by_view = sum(x * select(c, 0, 0));
  // Another part of the same buffer: one version guards them all.
  select(c, 0, 1).zero_();
  CHECK_THROWS_WITH_AS(by_view.backward(), Contains("by zero_ called at"), Error);

  Tensor y = exp(x);
  const Tensor by_output = sum(y);
  y.detach().mul_(2);
  CHECK_THROWS_WITH_AS(by_output.backward(), Contains("by mul_ called at"), Error);

  const Tensor by_parameter = sum(x * x);
  {
    const NoGrad no_grad;
    x.add_(ones({2}), -0.1);
  }
  CHECK_THROWS_WITH_AS(by_parameter.backward(), Contains("'mul', called at"), Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("what nobody saved may be changed") {
  const NothingLeft check;
  const Tensor x = tensor({1, 2}).requires_grad_();
  Tensor c = tensor({3, 4});
  const Tensor added = sum(x + c);
  c.zero_();
  added.backward();
  CHECK(values(x.grad()) == Doubles{1, 1});
  // c's own rule would need x, but c needs no gradient: x may change.
  Tensor z = tensor({1, 2});
  const Tensor scaled = sum(x * 2 + z * 3);
  z.zero_();
  scaled.backward();
  CHECK(values(x.grad()) == Doubles{3, 3});
}

TEST_CASE("a Saved read outside a backward pass says so") {
  Tensor x = tensor({1, 2});
  const Saved saved = save(x);
  CHECK(values(saved()) == Doubles{1, 2});
  x.fill_(0);
  CHECK_THROWS_WITH_AS(saved(), Contains("a rule outside a backward pass saved a tensor"), Error);
}

TEST_CASE("a rule whose input needs no gradient is dropped with what it saved") {
  const NothingLeft check;
  const std::int64_t size = 100'000;
  const Tensor x = ones({size}).requires_grad_();
  Tensor y;
  const std::int64_t before = memory_stats().live_bytes;
  {
    // The rule for x saves the constant, the rule for the constant would save x + 1.
    const Tensor constant = ones({size});
    y = (x + 1) * constant;
  }
  CHECK(memory_stats().live_bytes - before == 2 * 4 * size);  // y and the constant
  {
    const Tensor constant = ones({size});
    y = Tensor();
    y = x + constant;
  }
  CHECK(memory_stats().live_bytes - before == 4 * size);
}

TEST_CASE("an op's own output is saved without a circle of references") {
  const NothingLeft check;
  const Tensor x = tensor({0.5, 1}).requires_grad_();
  { const Tensor y = exp(tanh(sigmoid(x))); }
  CHECK(memory_stats().live_nodes == check.nodes_before + 1);
}

// Destruction.

TEST_CASE("a chain of a million nodes is built, run backward and destroyed") {
  const NothingLeft check;
  constexpr int length = 1'000'000;
  const Tensor x = scalar(2).requires_grad_();
  Tensor y = x;
  for (int i = 0; i < length; ++i) y = y + 1;
  CHECK(memory_stats().live_nodes == check.nodes_before + 1 + length);
  y.backward();
  CHECK(x.grad().item() == 1);
}

TEST_CASE("a long chain that was never run dies too") {
  const NothingLeft check;
  const Tensor x = scalar(1).requires_grad_();
  Tensor y = x;
  // Each node is held by what the next one saved as well as by its edge.
  for (int i = 0; i < 200'000; ++i) y = y * x;
  CHECK(y.requires_grad());
}

TEST_CASE("a chain that forks and joins at every link") {
  const NothingLeft check;
  const Tensor x = scalar(1, DType::float64).requires_grad_();
  Tensor y = x;
  for (int i = 0; i < 50'000; ++i) {
    const Tensor left = y * 0.5;
    const Tensor right = y * 0.25;
    y = left + right + x * 0.25;
  }
  y.backward();
  CHECK(x.grad().item() == doctest::Approx(1));
}

TEST_CASE("very many leaves under one sum") {
  const NothingLeft check;
  std::vector<Tensor> leaves;
  constexpr int width = 100'000;
  for (int i = 0; i < width; ++i) leaves.push_back(scalar(1).requires_grad_());
  std::vector<Tensor> level = leaves;
  while (level.size() > 1) {
    std::vector<Tensor> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(level[i] + level[i + 1]);
    if (level.size() % 2 == 1) next.push_back(level.back());
    level = std::move(next);
  }
  level.front().backward();
  CHECK(std::all_of(leaves.begin(), leaves.end(),
                    [](const Tensor& leaf) { return leaf.grad().item() == 1; }));
}

}  // namespace
}  // namespace attune
