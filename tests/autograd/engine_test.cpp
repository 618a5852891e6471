// The backward pass: backward() and grad(), hooks, accumulation, and what they do to memory.
#include "autograd/engine.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "autograd/op.h"
#include "tests/autograd/live.h"
#include "tests/autograd/misuse.h"
#include "tests/difference.h"

namespace attune {
namespace {

using doctest::Approx;
using doctest::Contains;
using testing::check_misuse;
using testing::NothingLeft;

// A differentiable leaf of float64.
Tensor leaf(std::initializer_list<NestedNumbers> rows) {
  return tensor(rows, DType::float64).requires_grad_();
}

std::string line(Site site = Site::current()) {
  return to_string(site);
}

// Derivatives.

TEST_CASE("a product has the derivative of a product") {
  const NothingLeft check;
  const Tensor a = leaf({2, 3});
  const Tensor b = leaf({5, 7});
  sum(a * b + a).backward();
  CHECK(values(a.grad()) == Doubles{6, 8});
  CHECK(values(b.grad()) == Doubles{2, 3});
  CHECK_FALSE(a.grad().requires_grad());
}

TEST_CASE("gradients add up over the uses of a tensor and over calls of backward()") {
  const NothingLeft check;
  Tensor x = leaf({3});
  (x * x + x * 2 + x).backward();
  CHECK(x.grad().item() == 9);
  (x * 10).backward();
  CHECK(x.grad().item() == 19);
  x.zero_grad();
  x.backward();
  CHECK(x.grad().item() == 1);
}

TEST_CASE("a node runs once, when all of its gradient has arrived") {
  const NothingLeft check;
  const Tensor x = leaf({1});
  Tensor middle = x * 2;
  std::vector<double> seen;
  middle.register_hook([&seen](const Tensor& g) {
    seen.push_back(g.item());
    return Tensor();
  });
  // `late` is newer than `early`, which still waits for what comes through it.
  const Tensor early = middle * 3;
  const Tensor late = early * 5 + middle * 7;
  (late + early * 11).backward();
  CHECK(seen == Doubles{3 * 5 + 7 + 3 * 11});
}

TEST_CASE("gradients are summed down to the shape that was broadcast") {
  const NothingLeft check;
  const Tensor row = leaf({{1, 2, 3}});      // [1, 3]
  const Tensor column = leaf({{10}, {20}});  // [2, 1]
  const Tensor single = leaf({{{5}}});       // [1, 1, 1]
  const Tensor number = Tensor(scalar(7, DType::float64)).requires_grad_();
  const Tensor weights = tensor({{1, 2, 3}, {4, 5, 6}}, DType::float64);
  sum((row + column + single + number) * weights).backward();
  CHECK(values(row.grad()) == Doubles{5, 7, 9});
  CHECK(values(column.grad()) == Doubles{6, 15});
  CHECK(values(single.grad()) == Doubles{21});
  CHECK(values(number.grad()) == Doubles{21});
  for (const Tensor& x : {row, column, single, number}) CHECK(x.grad().shape() == x.shape());

  const Tensor none = Tensor(zeros({0, 3}, DType::float64)).requires_grad_();
  const Tensor wide = leaf({1, 2, 3});
  sum(none * wide).backward();
  CHECK(none.grad().shape() == Shape{0, 3});
  CHECK(values(wide.grad()) == Doubles{0, 0, 0});
}

TEST_CASE("backward() from an output that is no scalar, with the gradient that comes in") {
  const NothingLeft check;
  const Tensor x = leaf({1, 2});
  (x * x).backward(tensor({10, 100}, DType::float64));
  CHECK(values(x.grad()) == Doubles{20, 400});
}

TEST_CASE("several outputs at once") {
  const NothingLeft check;
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(x * 3);
  const Tensor z = x * x;
  backward({y, z, y}, {Tensor(), tensor({1, 1}, DType::float64), scalar(2, DType::float64)});
  CHECK(values(x.grad()) == Doubles{3 + 2 + 6, 3 + 4 + 6});
}

TEST_CASE("what backward() cannot start from") {
  const NothingLeft check;
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 2;
  const Tensor constant = tensor({1});
  check_misuse([&] { y.backward(); },
               "backward: only a scalar has a gradient of its own, and this output has shape [2]");
  check_misuse([&] { constant.backward(); },
               "backward: the output depends on nothing that requires a gradient");
  check_misuse([&] { Tensor().backward(); }, "backward: the output depends on nothing");
  check_misuse([&] { y.backward(ones({2})); },
               "backward: the gradient passed in is float32 [2], the output float64 [2]");
  const Tensor wrong = ones({3}, DType::float64);
  check_misuse([&] { y.backward(wrong); }, "is float64 [3], the output float64 [2]");
  const std::vector<Tensor> outputs{sum(y), sum(y)};
  const std::vector<Tensor> incoming{Tensor()};
  check_misuse([&] { backward(outputs, incoming); }, "backward: 2 outputs but 1 gradients");
  CHECK_FALSE(x.grad().defined());
}

// Using a graph again.

TEST_CASE("backward() twice is an error unless the graph was retained") {
  const NothingLeft check;
  const Tensor x = leaf({3});
  const Tensor y = x * x;
  const std::string made_at = line();
  y.backward({.retain_graph = true});
  y.backward();
  CHECK(x.grad().item() == 12);
  const std::string message = "backward: the graph through 'mul', called at " + made_at;
  CHECK_THROWS_WITH_AS(y.backward(), Contains("has been used already, and what it saved was freed"),
                       Error);
  CHECK_THROWS_WITH_AS(y.backward(), Contains("Pass {.retain_graph = true} to the earlier "),
                       Error);
  CHECK(message.find("engine_test.cpp") != std::string::npos);
  CHECK(x.grad().item() == 12);
}

TEST_CASE("a part of a graph that was used already says so to a graph built on it") {
  const NothingLeft check;
  const Tensor x = leaf({3});
  const Tensor shared = x * x;
  (shared * 2).backward();
  const Tensor later = shared * 3;
  CHECK_THROWS_WITH_AS(later.backward(), Contains("backward: the graph through 'mul'"), Error);
}

TEST_CASE("second and third derivatives") {
  const NothingLeft check;
  const Tensor x = leaf({2, -1});
  const Tensor y = sum(pow(x, 4));
  const Tensor first = grad(y, x, {.create_graph = true});
  CHECK(values(first) == Doubles{32, -4});
  const Tensor second = grad(sum(first), x, {.create_graph = true});
  CHECK(values(second) == Doubles{48, 12});
  const Tensor third = grad(sum(second), x, {.create_graph = true});
  CHECK(values(third) == Doubles{48, -24});
  CHECK(values(grad(sum(third), x)) == Doubles{24, 24});
}

TEST_CASE("higher derivatives through outputs that their ops saved") {
  const NothingLeft check;
  const Tensor x = leaf({0.5});
  const Tensor y = exp(x * 2);
  const Tensor first = grad(y, x, {.create_graph = true});
  const Tensor second = grad(first, x, {.create_graph = true});
  const Tensor third = grad(second, x);
  CHECK(first.item() == Approx(2 * std::exp(1)));
  CHECK(second.item() == Approx(4 * std::exp(1)));
  CHECK(third.item() == Approx(8 * std::exp(1)));

  const Tensor t = tanh(x);
  const double th = std::tanh(0.5);
  const Tensor dt = grad(t, x, {.create_graph = true});
  const Tensor ddt = grad(dt, x, {.create_graph = true});
  CHECK(dt.item() == Approx(1 - th * th));
  CHECK(ddt.item() == Approx(-2 * th * (1 - th * th)));
  CHECK(grad(ddt, x).item() == Approx((1 - th * th) * (6 * th * th - 2)));
}

TEST_CASE("backward() with create_graph leaves gradients that can be differentiated") {
  const NothingLeft check;
  Tensor x = leaf({3});
  pow(x, 3).backward({.create_graph = true});
  const Tensor first = x.grad();
  x.zero_grad();
  CHECK(first.requires_grad());
  (first * first).backward();
  CHECK(first.item() == 27);
  CHECK(x.grad().item() == 2 * 27 * 18);
}

TEST_CASE("create_graph accumulates onto an earlier gradient") {
  const NothingLeft check;
  Tensor x = leaf({3});
  (x * 5).backward();
  const Tensor plain = x.grad();
  (x * x).backward({.create_graph = true});
  CHECK(x.grad().item() == 11);
  CHECK(plain.item() == 5);
  CHECK(x.grad().requires_grad());
  x.zero_grad();
}

// grad().

TEST_CASE("grad() is the derivative by any tensor, and touches no leaf") {
  const NothingLeft check;
  const Tensor x = leaf({2});
  const Tensor y = x * 3;
  const Tensor z = y * y;
  CHECK(grad(z, y, {.retain_graph = true}).item() == 12);
  CHECK(grad(z, z, {.retain_graph = true}).item() == 1);
  CHECK(grad(x, x).item() == 1);
  const std::vector<Tensor> all = grad({z}, {x, y, x});
  CHECK(all[0].item() == 36);
  CHECK(all[1].item() == 12);
  CHECK(all[2].item() == 36);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("grad() of several outputs, with the gradients that come in") {
  const NothingLeft check;
  const Tensor x = leaf({1, 2});
  const Tensor y = x * x;
  const Tensor z = sum(x);
  const std::vector<Tensor> by_x =
      grad({y, z}, {x}, {.gradients = {tensor({1, 10}, DType::float64), Tensor()}});
  CHECK(values(by_x[0]) == Doubles{3, 41});
}

TEST_CASE("grad() runs only the nodes on the way") {
  const NothingLeft check;
  const Tensor x = leaf({2});
  const Tensor other = leaf({5});
  Tensor beside = other * 3;
  Tensor on_the_way = x * 3;
  int beside_calls = 0, on_the_way_calls = 0, x_calls = 0;
  const auto count = [](int& calls) {
    return [&calls](const Tensor&) {
      ++calls;
      return Tensor();
    };
  };
  beside.register_hook(count(beside_calls));
  on_the_way.register_hook(count(on_the_way_calls));
  Tensor(x).register_hook(count(x_calls));
  const Tensor y = on_the_way * beside;
  CHECK(grad(y, on_the_way, {.retain_graph = true}).item() == 15);
  CHECK(on_the_way_calls == 1);
  CHECK(x_calls == 0);
  CHECK(grad(y, x).item() == 45);
  CHECK(on_the_way_calls == 2);
  CHECK(x_calls == 1);
  CHECK(beside_calls == 0);
}

TEST_CASE("grad() by what the output does not depend on") {
  const NothingLeft check;
  const Tensor x = leaf({2});
  const Tensor unused = leaf({3});
  const Tensor newer = x * 5;
  const Tensor y = x * x;
  const GradOptions lenient{.retain_graph = true, .allow_unused = true};
  const std::vector<Tensor> both = grad({y}, {unused, x}, lenient);
  CHECK_FALSE(both[0].defined());
  CHECK(both[1].item() == 4);
  CHECK_FALSE(grad(y, newer, lenient).defined());
  check_misuse([&] { grad(y, unused, {.retain_graph = true}); },
               "grad: the outputs do not depend on input 0");
  const Tensor constant = tensor({1});
  check_misuse([&] { grad(y, constant); }, "grad: input 0 does not require a gradient");
  check_misuse([&] { grad(constant, x); }, "grad: the output depends on nothing that requires");
  const Tensor pair = expand(y, {2});
  check_misuse([&] { grad(pair, x); }, "grad: only a scalar has a gradient of its own");
}

// Gradients belong to their leaves.

TEST_CASE("leaves do not share a gradient") {
  const NothingLeft check;
  const auto scaled_apart = [](Tensor a, Tensor b) {
    a.grad().mul_(100);
    CHECK(values(a.grad()) == Doubles{100, 100});
    CHECK(values(b.grad()) == Doubles{1, 1});
    a.zero_grad();
    b.zero_grad();
  };
  const Tensor a = leaf({1, 2});
  const Tensor b = leaf({3, 4});
  sum(a + b).backward();
  scaled_apart(a, b);
  sum(reshape(a, {2, 1}) + reshape(b, {2, 1})).backward();
  scaled_apart(a, b);
  (a + b).backward(ones({2}, DType::float64));
  scaled_apart(a, b);
}

TEST_CASE("leaves do not share a gradient that is itself recorded") {
  const NothingLeft check;
  Tensor a = leaf({1, 2});
  Tensor b = leaf({3, 4});
  sum(a + b).backward({.create_graph = true});
  {
    const NoGrad no_grad;
    a.grad().mul_(100);
  }
  CHECK(values(b.grad()) == Doubles{1, 1});
  a.zero_grad();
  b.zero_grad();
}

TEST_CASE("a leaf does not share its gradient with what the caller passed in or a hook kept") {
  const NothingLeft check;
  const Tensor incoming = ones({2}, DType::float64);
  Tensor x = leaf({1, 2});
  x.backward(incoming);
  x.grad().mul_(5);
  CHECK(values(incoming) == Doubles{1, 1});
  x.backward(incoming);
  CHECK(values(x.grad()) == Doubles{6, 6});
  CHECK(values(incoming) == Doubles{1, 1});

  x.zero_grad();
  Tensor kept;
  x.register_hook([&kept](const Tensor& g) {
    kept = g;
    return Tensor();
  });
  sum(x).backward();
  x.grad().mul_(5);
  CHECK(values(kept) == Doubles{1, 1});
}

TEST_CASE("a gradient that somebody holds is not changed by a later backward()") {
  const NothingLeft check;
  const Tensor x = leaf({1, 2});
  sum(x * 2).backward();
  const Tensor first = x.grad();
  sum(x * 3).backward();
  CHECK(values(first) == Doubles{2, 2});
  CHECK(values(x.grad()) == Doubles{5, 5});
}

// Hooks.

TEST_CASE("hooks see, replace, and can be removed, on computed tensors and on leaves") {
  const NothingLeft check;
  Tensor x = leaf({1});
  Tensor y = x * 2;
  std::string calls;
  const auto scale = [&calls](char name, double by) {
    return [&calls, name, by](const Tensor& g) {
      calls += name;
      return g * by;
    };
  };
  const auto watch = [&calls](char name) {
    return [&calls, name](const Tensor&) {
      calls += name;
      return Tensor();
    };
  };
  y.register_hook(scale('a', 10));
  const std::size_t second = y.register_hook(scale('b', 7));
  y.register_hook(watch('c'));
  x.register_hook(scale('x', 3));
  const Tensor z = y * 5;
  z.backward({.retain_graph = true});
  CHECK(calls == "abcx");
  CHECK(x.grad().item() == 5 * 10 * 7 * 2 * 3);

  y.remove_hook(second);
  x.zero_grad();
  z.backward({.retain_graph = true});
  CHECK(calls == "abcxacx");
  CHECK(x.grad().item() == 5 * 10 * 2 * 3);
  // The number of a hook that is gone is not given to another.
  CHECK(y.register_hook(watch('d')) != second);
  y.remove_hook(second);
  z.backward();
  CHECK(calls == "abcxacxacdx");
}

TEST_CASE("a hook may remove itself") {
  const NothingLeft check;
  Tensor x = leaf({1});
  int calls = 0;
  std::size_t number = 0;
  number = x.register_hook([&](const Tensor&) {
    ++calls;
    x.remove_hook(number);
    return Tensor();
  });
  x.backward();
  x.backward();
  CHECK(calls == 1);
}

TEST_CASE("a hook's gradient must be like the one it replaces") {
  const NothingLeft check;
  const Tensor x = leaf({1, 2});
  Tensor y = x * 2;
  const std::string made_at = line();
  const std::size_t number = y.register_hook([](const Tensor& g) { return sum(g); });
  const Tensor z = sum(y);
  CHECK_THROWS_WITH_AS(z.backward({.retain_graph = true}),
                       Contains("returned float64 [], and the gradient it replaces is float64 [2]"),
                       Error);
  y.remove_hook(number);
  y.register_hook([](const Tensor& g) { return g.to(DType::float32); });
  CHECK_THROWS_WITH_AS(z.backward(), Contains("a hook on the result of 'mul', called at "), Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("grad() sees what hooks made of a gradient") {
  const NothingLeft check;
  const Tensor x = leaf({1});
  Tensor y = x * 2;
  y.register_hook([](const Tensor& g) { return g * 10; });
  const std::vector<Tensor> both = grad({y * 3}, {y, x});
  CHECK(both[0].item() == 30);
  CHECK(both[1].item() == 60);
}

TEST_CASE("a hook may run a backward pass over the graph it is called from") {
  const NothingLeft check;
  const Tensor x = leaf({2});
  const Tensor square = x * x;
  Tensor cube = square * x;
  double by_square = 0, by_x = 0;
  bool inside = false;  // the inner passes go through this hook too
  cube.register_hook([&](const Tensor& g) {
    if (std::exchange(inside, true)) return Tensor();
    by_square = grad(cube, square, {.retain_graph = true}).item();
    by_x = grad(cube, x, {.retain_graph = true}).item();
    square.backward({.retain_graph = true});  // accumulates 4 into the leaf
    return g * 10;
  });
  (cube + square + x).backward();
  // The hook holds handles to the graph it hangs on.
  cube = Tensor();
  CHECK(by_square == 2);
  CHECK(by_x == 12);
  CHECK(x.grad().item() == 4 + 10 * 12 + 4 + 1);
}

TEST_CASE("a hook may run a pass inside grad(), which is restricted to some nodes") {
  const NothingLeft check;
  const Tensor x = leaf({2});
  const Tensor other = leaf({5});
  const Tensor square = x * x;
  const Tensor same = square * other;
  Tensor product = square * other;
  std::vector<double> inner;
  product.register_hook([&](const Tensor&) {
    for (const Tensor& g : grad({same}, {x, other}, {.retain_graph = true})) {
      inner.push_back(g.item());
    }
    return Tensor();
  });
  CHECK(grad(product, x).item() == 20);
  CHECK(inner == Doubles{20, 4});
}

// Errors on the way.

struct Halt : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// y = x, with a rule that throws.
Tensor faulty(Operand x) {
  return apply("faulty", {x}, x->clone(),
               wrt(x, [](const Tensor&) -> Tensor { throw Halt("the rule gave up"); }));
}

TEST_CASE("a rule that throws leaves all gradients as they were, and nothing behind") {
  const NothingLeft check;
  const Tensor older = leaf({1});
  const Tensor input = leaf({1});
  const Tensor y = faulty(input * older);
  const Tensor newer = leaf({2});
  const Tensor loss = (y * newer + older) * newer;
  CHECK_THROWS_AS(loss.backward({.retain_graph = true}), Halt);
  for (const Tensor& x : {older, input, newer}) CHECK_FALSE(x.grad().defined());
  CHECK_THROWS_AS(grad(loss, input, {.retain_graph = true}), Halt);
  // The nodes are free for another pass.
  CHECK(grad(loss, newer).item() == 5);
}

TEST_CASE("a hook that throws ends the pass, and the graph can be used again") {
  const NothingLeft check;
  const Tensor x = leaf({2});
  Tensor y = x * x;
  const std::size_t number =
      y.register_hook([](const Tensor&) -> Tensor { throw Halt("the hook gave up"); });
  const Tensor z = y * 3;
  CHECK_THROWS_AS(z.backward({.retain_graph = true}), Halt);
  CHECK(grad_enabled());
  CHECK(running_node() == nullptr);
  CHECK(Scope::current().path().empty());
  y.remove_hook(number);
  z.backward();
  CHECK(x.grad().item() == 12);
}

// Threads.

TEST_CASE("threads differentiate graphs of their own over the same elements") {
  const NothingLeft check;
  const Tensor weights = leaf({1, 2, 3});
  constexpr std::size_t thread_count = 4;
  std::vector<Tensor> gradients(thread_count);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < thread_count; ++t) {
    threads.emplace_back([&, t] {
      const Scope scope("worker", t);
      Tensor mine = weights.detach().requires_grad_();
      for (int step = 0; step < 200; ++step) {
        Tensor y = mine;
        for (int i = 0; i < 5; ++i) y = y * mine + static_cast<double>(t);
        sum(y).backward();
      }
      gradients[t] = mine.grad();
    });
  }
  for (auto& thread : threads) thread.join();
  for (std::size_t t = 0; t < thread_count; ++t) {
    for (std::size_t i = 0; i < 3; ++i) {
      // y = x^6 + t (x^4 + x^3 + x^2 + x + 1)
      const auto x = static_cast<double>(i + 1);
      const double slope =
          6 * std::pow(x, 5) + static_cast<double>(t) * (4 * x * x * x + 3 * x * x + 2 * x + 1);
      CHECK(values(gradients[t])[i] == Approx(200 * slope));
    }
  }
  gradients.clear();
}

TEST_CASE("a graph built by one thread is run by another") {
  const NothingLeft check;
  const Tensor x = leaf({3});
  Tensor y;
  std::thread([&] { y = x * x; }).join();
  std::thread([&] { y.backward(); }).join();
  CHECK(x.grad().item() == 6);
  std::thread([&] { y = Tensor(); }).join();
}

// Anomaly mode.

TEST_CASE("anomaly mode names the op, scope and line where a number was lost forward") {
  const NothingLeft check;
  const Tensor x = leaf({1, 0});
  CHECK(values(1 / x)[1] == std::numeric_limits<double>::infinity());
  const AnomalyMode anomaly;
  std::string made_at, message;
  try {
    const Scope scope("decoder");
    made_at = line(), log(x * 2);
  } catch (const Error& error) {
    message = error.what();
  }
  CHECK(message ==
        "forward: the result of 'log' of [2] in decoder, called at " + made_at +
            ", is -inf at element 1 of 2 (shape [2]). What went in: [2] from 0 to 2 (0 there).");
}

TEST_CASE("anomaly mode names the op, scope and line whose derivative lost a number") {
  const NothingLeft check;
  const Tensor x = leaf({4, 0});
  const AnomalyMode anomaly;
  Tensor y;
  std::string made_at;
  {
    const Scope scope("decoder");
    made_at = line(), y = sqrt(x);
  }
  const std::string message =
      "backward: the gradient made by 'sqrt' in decoder, called at " + made_at +
      " is inf at element 1 of 2 (shape [2]). What went in: [2] from 3 to 3 (3 there). "
      "What had been saved: [2] from 0 to 2 (0 there).";
  CHECK_THROWS_WITH_AS(sum(y * 3).backward(), message.c_str(), Error);
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("anomaly mode writes a NaN without its sign") {
  const AnomalyMode anomaly;
  const Tensor zero = tensor({0.0});  // 0 / 0 has its sign set on x86
  CHECK_THROWS_WITH_AS(zero / zero, Contains(" is nan at element 0 of 1"), Error);
}

TEST_CASE("anomaly mode looks at views and at gradients that are not contiguous") {
  const NothingLeft check;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = tensor({{1, nan}, {2, 3}}, DType::float64);
  const AnomalyMode anomaly;
  CHECK(anomaly_mode());
  CHECK_THROWS_WITH_AS(transpose(x), Contains("the result of 'transpose' of [2, 2], called"),
                       Error);
  CHECK(std::isnan(flip(zeros({2}), 0).to_vector<double>()[0]) == false);
  const Tensor leaf_matrix = leaf({{1, 2}, {3, 4}});
  const Tensor y = apply("nan_rule", {leaf_matrix}, leaf_matrix.clone(),
                         wrt(leaf_matrix, [x = save(x)](const Tensor&) {
                           return view(x(), {2, 2}, {1, 2});
                         }));
  CHECK_THROWS_WITH_AS(sum(y).backward(), Contains("the gradient made by 'nan_rule', called at"),
                       Error);
}

TEST_CASE("anomaly mode ends with its object and is of one thread") {
  {
    const AnomalyMode anomaly;
    { const AnomalyMode nested; }
    CHECK(anomaly_mode());
    bool elsewhere = true;
    std::thread([&] { elsewhere = anomaly_mode(); }).join();
    CHECK_FALSE(elsewhere);
  }
  CHECK_FALSE(anomaly_mode());
}

// Memory.

constexpr std::int64_t large = 1 << 20;
constexpr std::int64_t large_bytes = 4 * large;

// The most bytes that f() had alive beyond those alive before, in units of one large tensor.
template <class F>
double peak_of(F&& f) {
  reset_peak_bytes();
  const std::int64_t before = memory_stats().live_bytes;
  f();
  return static_cast<double>(memory_stats().peak_bytes - before) / static_cast<double>(large_bytes);
}

TEST_CASE("a gradient is accumulated in place, however many parts it has") {
  const NothingLeft check;
  const Tensor x = ones({large}).requires_grad_();
  Tensor y = x * 1;
  for (int i = 2; i <= 8; ++i) y = y + x * i;
  const Tensor loss = sum(y);
  y = Tensor();
  // The sum so far, the part that is added to it, and the gradient that the parts are made from.
  CHECK(peak_of([&] { loss.backward(); }) < 3.1);
  CHECK(x.grad().at({0}) == 36);
  // The second time the leaf has a gradient, which is added to where it is.
  CHECK(peak_of([&] { sum(x * 2).backward(); }) < 3.1);
  CHECK(x.grad().at({0}) == 38);
}

TEST_CASE("what a rule saved is freed as soon as it has run") {
  const NothingLeft check;
  const Tensor x = zeros({large}).requires_grad_();
  const auto chain = [&x] {
    Tensor y = x;
    for (int i = 0; i < 10; ++i) y = sin(y);
    return sum(y);
  };
  // Each of the ten links frees the input it saved before the next makes its gradient.
  const Tensor loss = chain();
  CHECK(peak_of([&] { loss.backward(); }) < 2.1);
  const Tensor kept = chain();
  const std::int64_t before = memory_stats().live_bytes;
  kept.backward({.retain_graph = true});
  CHECK(memory_stats().live_bytes - before < large_bytes / 10);
  kept.backward();
  CHECK(before - memory_stats().live_bytes > 8 * large_bytes);
}

TEST_CASE("a leaf takes over a gradient that is its own, without a copy") {
  const NothingLeft check;
  const Tensor x = ones({large}).requires_grad_();
  const Tensor y = x * 3;
  const Tensor incoming = ones({large});
  CHECK(peak_of([&] { y.backward(incoming); }) < 1.1);
}

}  // namespace
}  // namespace attune
