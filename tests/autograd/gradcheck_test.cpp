// gradcheck and gradgradcheck find every kind of wrong derivative, say where it is, and leave their
// inputs as they were.

#include "autograd/gradcheck.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "autograd/engine.h"
#include "autograd/op.h"
#include "autograd/random.h"
#include "tests/autograd/misuse.h"

using namespace attune;
using testing::check_misuse;

namespace {

Tensor leaf_of(const Tensor& values) {
  return values.detach().requires_grad_();
}

Tensor doubles(std::initializer_list<NestedNumbers> rows) {
  return tensor(rows, DType::float64);
}

// x^2 with a derivative that is wrong in the elements where `wrong` is 1.
Tensor square_but_for(Operand x, const Tensor& wrong) {
  return apply("square_but_for", {x}, square(x->detach()),
               wrt(x, [x = save(x), wrong](const Tensor& g) { return g * x() * (2 + wrong); }));
}

// x^3 with the right derivative, which cannot itself be differentiated.
Tensor cube_once(Operand x) {
  return apply("cube_once", {x}, pow(x->detach(), 3),
               wrt(x, [x = save(x)](const Tensor& g) { return g * 3 * square(x().detach()); }));
}

// x^3 whose two evaluations of the derivative differ.
Tensor cube_in_two_ways(Operand x) {
  return apply("cube_in_two_ways", {x}, pow(x->detach(), 3), wrt(x, [x = save(x)](const Tensor& g) {
                 return g * square(x()) * (grad_enabled() ? 3 : 3.0001);
               }));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("gradcheck: passes a right derivative, of one tensor or several") {
  const Tensor x = leaf_of(doubles({{0.5, -1, 2}, {1, 3, -0.25}}));
  const Tensor y = leaf_of(doubles({0.5, 2, -1}));
  const auto product = [](const std::vector<Tensor>& in) { return in[0] * in[1]; };
  const auto both = [](const std::vector<Tensor>& in) {
    return std::vector{in[0] * in[1], sum(exp(in[0]))};
  };
  CHECK(gradcheck(product, {x, y}));
  CHECK(gradgradcheck(product, {x, y}));
  CHECK(gradcheck(both, {x, y}));
  CHECK(gradgradcheck(both, {x, y}));
}

TEST_CASE("gradcheck: says which input, which element, both values and the tolerances") {
  const Tensor x = leaf_of(doubles({1, 2}));
  const Tensor y = leaf_of(doubles({{1, 2, 3}, {4, 5, 6}}));
  const Tensor wrong = doubles({{0, 0, 0}, {0, 0, 1}});
  const auto f = [&](const std::vector<Tensor>& in) {
    return std::vector{in[0] * 2, square_but_for(in[1], wrong)};
  };
  const GradcheckReport report = gradcheck(f, {x, y}, {.atol = 0.25, .rtol = 0.125});
  REQUIRE_FALSE(report);
  REQUIRE(report.mismatches.size() == 1);
  CHECK(report.mismatches[0].input == 1);
  CHECK(report.mismatches[0].index == Dims{1, 2});
  CHECK(report.mismatches[0].analytic / report.mismatches[0].numeric == doctest::Approx(1.5));
  CHECK(contains(report.message,
                 "gradcheck: 1 of 8 derivatives are wrong (beyond 0.25 + 0.125 |numeric|): by "
                 "input 1 [2, 3] at [1, 2]: analytic "));
  CHECK(contains(report.message, ", numeric "));
  CHECK(contains(report.message, "called at gradcheck_test.cpp:"));
}

TEST_CASE("gradcheck: a missing derivative, and one that is not a number, are wrong") {
  const Tensor x = leaf_of(doubles({1, 2}));
  CHECK_FALSE(gradcheck([](const std::vector<Tensor>& in) { return square(in[0].detach()); }, {x}));
  const Tensor not_a_number = full({2}, std::numeric_limits<double>::quiet_NaN(), DType::float64);
  CHECK_FALSE(gradcheck(
      [&](const std::vector<Tensor>& in) { return square_but_for(in[0], not_a_number); }, {x}));
}

TEST_CASE("gradgradcheck: finds a derivative that cannot be differentiated") {
  const Tensor x = leaf_of(doubles({1, 2}));
  const auto f = [](const std::vector<Tensor>& in) { return cube_once(in[0]); };
  CHECK(gradcheck(f, {x}));
  const GradcheckReport report = gradgradcheck(f, {x});
  REQUIRE(report.mismatches.size() == 2);
  CHECK(report.mismatches[0].analytic == 0);
}

TEST_CASE("gradgradcheck: the recorded derivative must equal the one that is not recorded") {
  const Tensor x = leaf_of(doubles({1, 2}));
  const auto f = [](const std::vector<Tensor>& in) { return cube_in_two_ways(in[0]); };
  const GradcheckReport report = gradgradcheck(f, {x});
  CHECK(contains(report.message, "gradgradcheck: output 0 [2] at [0] is "));
  CHECK(contains(report.message, "when it is recorded, and "));
}

TEST_CASE("gradgradcheck: covers the gradients that come in") {
  // The derivative 2 x g, but for a rule that takes |g| for g: wrong where g is negative.
  const auto f = [](const std::vector<Tensor>& in) {
    return apply("square", {in[0]}, square(in[0].detach()),
                 wrt(in[0], [x = save(in[0])](const Tensor& g) {
                   return 2 * x() * where(g < 0, g.detach(), g);
                 }));
  };
  const Tensor x = leaf_of(doubles({1, 2, 3, 4}));
  CHECK(gradcheck(f, {x}));
  const GradcheckReport report = gradgradcheck(f, {x});
  REQUIRE_FALSE(report.mismatches.empty());
  CHECK(report.mismatches[0].input == 1);
}

TEST_CASE("gradcheck: a function that changes between calls is found") {
  const Tensor x = leaf_of(doubles({1, 2}));
  const auto noisy = [](const std::vector<Tensor>& in) {
    return in[0] * rand({2}, 0, 1, DType::float64);
  };
  CHECK(contains(gradcheck(noisy, {x}).message, "must draw the same ones at every call"));
  const auto growing = [calls = std::make_shared<int>(0)](const std::vector<Tensor>& in) {
    return std::vector<Tensor>(static_cast<std::size_t>(++*calls), in[0]);
  };
  CHECK(contains(gradcheck(growing, {x}).message, "there are 1 outputs"));
}

TEST_CASE("gradcheck: inputs of any shape and strides, sharing memory or not") {
  manual_seed(3);
  const Tensor block = randn({4, 6}, 0, 1, DType::float64);
  const auto f = [](const std::vector<Tensor>& in) { return tanh(in[0]) * in[0]; };
  for (const Tensor& view : {transpose(block), slice(block, 1, 1, 6, 2), flip(block, 0),
                             expand(block, {2, 4, 6}), select(block, 1, 2), slice(block, 0, 2, 2),
                             reshape(select(select(block, 0, 1), 0, 1), {})}) {
    const Tensor x = leaf_of(view);
    CAPTURE(x.shape());
    CHECK(gradcheck(f, {x}));
    CHECK(gradgradcheck(f, {x}));
  }
  const auto product = [](const std::vector<Tensor>& in) { return in[0] * in[1]; };
  CHECK(gradcheck(product, {leaf_of(slice(block, 0, 0, 3)), leaf_of(slice(block, 0, 1, 4))}));
  CHECK(gradcheck([](const std::vector<Tensor>&) { return std::vector<Tensor>(); },
                  {leaf_of(block)}));
}

TEST_CASE("gradcheck: a function may use parameters without being handed them") {
  const Tensor w = leaf_of(doubles({1, 2}));
  CHECK(gradcheck([w](const std::vector<Tensor>&) { return exp(w); }, {w}));
}

TEST_CASE("gradcheck: inputs have their old bits and versions afterwards, whatever happens") {
  const Tensor x = leaf_of(doubles({0.1, -0.0, 1e300, 3}));
  const std::vector<double> before = x.to_vector<double>();
  const auto unchanged = [&] {
    const std::vector<double> after = x.to_vector<double>();
    return std::memcmp(before.data(), after.data(), before.size() * sizeof(double)) == 0;
  };
  const Tensor y = square(x);
  CHECK(gradcheck([](const std::vector<Tensor>& in) { return in[0] * 3; }, {x}));
  CHECK(unchanged());
  int calls = 0;
  const auto fails_later = [&](const std::vector<Tensor>& in) {
    if (++calls == 6) throw Error("later");
    return in[0] * 3;
  };
  CHECK_THROWS_AS(gradcheck(fails_later, {x}), Error);
  CHECK(unchanged());
  // Neither did it count as a change in place, nor leave a gradient.
  CHECK_FALSE(x.grad().defined());
  CHECK_NOTHROW(sum(y).backward());
}

TEST_CASE("gradcheck: leaves the default generator and the mode of recording as they were") {
  const Tensor x = leaf_of(doubles({1, 2}));
  const std::uint64_t offset = default_generator().offset();
  const NoGrad no_grad;
  CHECK(gradgradcheck([](const std::vector<Tensor>& in) { return exp(in[0]); }, {x}));
  CHECK(default_generator().offset() == offset);
  CHECK_FALSE(grad_enabled());
}

TEST_CASE("gradcheck: misuse") {
  const auto f = [](const std::vector<Tensor>& in) { return in[0] * 2; };
  const auto mask = [](const std::vector<Tensor>& in) { return in[0] > 0; };
  const Tensor x = leaf_of(doubles({1, 2}));
  check_misuse([&] { gradcheck(f, {ones({2}).requires_grad_()}); },
               "gradcheck: input 0 (float32 [2]) is not a float64 leaf that requires a gradient");
  check_misuse([&] { gradcheck(f, {x, doubles({1})}); }, "input 1 (float64 [1]) is not a");
  check_misuse([&] { gradcheck(f, {x * 2}); }, "input 0 (float64 [2]) is not a float64 leaf");
  check_misuse([&] { gradcheck(f, {x, x}); }, "inputs 0 and 1 are the same tensor");
  check_misuse([&] { gradcheck(mask, {x}); },
               "output 0 of the function is bool [2], and must be float64");
  check_misuse([&] { gradgradcheck(mask, {x}); }, "gradgradcheck: output 0 of the function");
}
