// The handle: factories, accessors, changes in place, and the rules of requires_grad.
#include "autograd/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <thread>
#include <type_traits>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "autograd/random.h"
#include "tests/autograd/misuse.h"
#include "tests/difference.h"

namespace attune {
namespace {

using doctest::Contains;
using testing::check_misuse;

// Factories.

TEST_CASE("factories fill the shape and dtype that were asked for") {
  for (const DType dtype : {DType::float32, DType::float64, DType::int64, DType::boolean}) {
    CAPTURE(name(dtype));
    CHECK(values(zeros({2, 2}, dtype)) == Doubles{0, 0, 0, 0});
    CHECK(values(ones({3}, dtype)) == Doubles{1, 1, 1});
    CHECK(values(eye(2, dtype)) == Doubles{1, 0, 0, 1});
    CHECK(scalar(1, dtype).shape() == Shape{});
    CHECK(scalar(1, dtype).dtype() == dtype);
    CHECK(empty({2, 0, 3}, dtype).numel() == 0);
    CHECK(empty({4, 5}, dtype).dtype() == dtype);
  }
  CHECK(zeros({2}).dtype() == DType::float32);
  CHECK(values(full({2}, 1.5)) == Doubles{1.5, 1.5});
  CHECK(values(full({}, -3, DType::int64)) == Doubles{-3});
  CHECK_FALSE(zeros({2}).requires_grad());
  CHECK(zeros({2}).is_leaf());
  CHECK(eye(0).shape() == Shape{0, 0});
}

TEST_CASE("arange counts up and down, below its end") {
  CHECK(values(arange(0, 5)) == Doubles{0, 1, 2, 3, 4});
  CHECK(arange(0, 5).dtype() == DType::int64);
  CHECK(values(arange(1, 8, 3)) == Doubles{1, 4, 7});
  CHECK(values(arange(3, 0, -1)) == Doubles{3, 2, 1});
  CHECK(values(arange(0, 1, 0.25, DType::float32)) == Doubles{0, 0.25, 0.5, 0.75});
  CHECK(arange(3, 3).shape() == Shape{0});
  CHECK(arange(3, 0).shape() == Shape{0});
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  check_misuse([&] { return arange(0, 1, 0); },
               "arange: there is no way from 0 to 1 in steps of 0");
  check_misuse([&] { return arange(0, infinity); }, "from 0 to inf in steps of 1");
  check_misuse([&] { return arange(nan, 1); }, "from nan to 1");
  check_misuse([&] { return arange(0, nan); }, "from 0 to nan");
  check_misuse([&] { return arange(0, 1e300); }, "from 0 to 1e+300");
  check_misuse([&] { return arange(0, 1, nan); }, "in steps of nan");
}

TEST_CASE("a fraction in an int64 is an error, not a rounded number") {
  const char* const message = "0.5 is not an int64";
  check_misuse([&] { return arange(0, 1, 0.5); }, "arange: 0.5 is not an int64");
  check_misuse([&] { return full({2}, 0.5, DType::int64); }, "full: 0.5 is not an int64");
  check_misuse([&] { return tensor({1, 0.5}, DType::int64); }, message);
  Tensor x = tensor({1, 2}, DType::int64);
  check_misuse([&] { x.fill_(0.5); }, message);
  check_misuse([&] { x.mul_(0.5); }, message);
  check_misuse([&] { x.add_(x, 0.5); }, message);
  check_misuse([&] { x.fill_(std::nan("")); }, "nan is not an int64");
  check_misuse([&] { x.fill_(1e19); }, "1e+19 is not an int64");
  CHECK(values(x) == Doubles{1, 2});
}

TEST_CASE("nested braces are a tensor") {
  CHECK(tensor({1, 2, 3}).shape() == Shape{3});
  CHECK(tensor({{1, 2, 3}, {4, 5, 6}}).shape() == Shape{2, 3});
  CHECK(values(tensor({{1, 2}, {3, 4}})) == Doubles{1, 2, 3, 4});
  CHECK(tensor({{{1}, {2}}}).shape() == Shape{1, 2, 1});
  CHECK(tensor({}).shape() == Shape{0});
  CHECK(tensor({{}, {}}).shape() == Shape{2, 0});
  CHECK(tensor({1, 2}, DType::int64).dtype() == DType::int64);
  CHECK(values(tensor({true, false}, DType::boolean)) == Doubles{1, 0});
  const char* const message = "tensor: the nested braces are not all of one length and depth";
  check_misuse([&] { return tensor({{1, 2}, {3}}); }, message);
  check_misuse([&] { return tensor({{1, 2}, 3}); }, message);
  check_misuse([&] { return tensor({1, {2}}); }, message);
  check_misuse([&] { return tensor({{{{{{{{{1}}}}}}}}}); }, "at most 8 dimensions");
}

TEST_CASE("from_vector takes the numbers in row-major order and the dtype of their type") {
  CHECK(values(from_vector(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3})) ==
        Doubles{1, 2, 3, 4, 5, 6});
  CHECK(from_vector(std::vector<float>{1}, {}).dtype() == DType::float32);
  CHECK(from_vector(std::vector<double>{1}, {1}).dtype() == DType::float64);
  CHECK(from_vector(std::vector<std::int64_t>{1}, {1}).dtype() == DType::int64);
  CHECK(from_vector(std::vector<bool>{true}, {1}).dtype() == DType::boolean);
  const std::vector<float> three(3);
  const char* const wrong_count = "from_vector: 3 values for shape [2, 2], which holds 4";
  check_misuse([&] { return from_vector(three, {2, 2}); }, wrong_count);
  check_misuse([&] { return from_vector(three, {-1, -3}); }, "sizes are not negative");
}

TEST_CASE("shapes that cannot be are errors at the caller's line") {
  const std::int64_t large = std::int64_t{1} << 40;
  const char* const negative = "shape: a tensor cannot have shape [2, -1]: sizes are not negative";
  check_misuse([&] { return zeros({2, -1}); }, negative);
  const char* const too_large =
      "shape: a tensor of [1099511627776, 1099511627776] elements is larger than any memory";
  check_misuse([&] { return empty({large, large}); }, too_large);
  // 2^61 elements can be counted, their bytes cannot.
  check_misuse([&] { return empty({std::int64_t{1} << 61}, DType::float64); }, "any memory");
  check_misuse([&] { return eye(-1); }, "[-1, -1]");
  check_misuse([&] { return rand({-1}); }, "[-1]");
}

TEST_CASE("equal seeds draw equal bits, and drawing goes on where it stopped") {
  manual_seed(7);
  const Tensor uniform = rand({3, 1000}, -1, 1, DType::float64);
  const Tensor normal = randn({1001});
  manual_seed(7);
  CHECK(values(rand({3, 1000}, -1, 1, DType::float64)) == values(uniform));
  CHECK(values(randn({1001})) == values(normal));
  CHECK(values(randn({1001})) != values(normal));
  manual_seed(8);
  CHECK(values(rand({3, 1000}, -1, 1, DType::float64)) != values(uniform));
  CHECK(uniform.dtype() == DType::float64);
  CHECK(normal.dtype() == DType::float32);
  CHECK(amin(uniform).item() >= -1);
  CHECK(amax(uniform).item() < 1);
  CHECK(std::abs(mean(uniform).item()) < 0.05);
  CHECK(std::abs(mean(normal).item()) < 0.2);
  CHECK(std::abs(mean(square(normal)).item() - 1) < 0.2);
  CHECK(values(randn({2}, 3, 0)) == Doubles{3, 3});
  check_misuse([&] { return rand({2}, 0, 1, DType::int64); },
               "rand: random numbers are float32 or float64, not int64");
}

// Accessors.

TEST_CASE("shape, size, numel and elements") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(x.rank() == 2);
  CHECK(x.numel() == 6);
  CHECK(x.size(0) == 2);
  CHECK(x.size(-1) == 3);
  CHECK(x.strides() == Strides{3, 1});
  CHECK(x.is_contiguous());
  CHECK_FALSE(transpose(x).is_contiguous());
  CHECK(x.at({1, 0}) == 4);
  CHECK(x.at({-1, -1}) == 6);
  CHECK(transpose(x).at({2, 0}) == 3);
  CHECK(scalar(2.5).at({}) == 2.5);
  CHECK(scalar(2.5).item() == 2.5);
  CHECK(reshape(tensor({7}, DType::int64), {1, 1}).item() == 7);
  CHECK(x.data<float>()[5] == 6);
  CHECK(values(transpose(x)) == Doubles{1, 4, 2, 5, 3, 6});
  CHECK(flip(x, 1).to_vector<std::int64_t>() == std::vector<std::int64_t>{3, 2, 1, 6, 5, 4});
  CHECK(tensor({0, 2, -1}).to_vector<bool>() == std::vector<bool>{false, true, true});
  CHECK(zeros({0}).to_vector<float>().empty());
}

TEST_CASE("accessors say what was wrong, and where") {
  const Tensor x = zeros({2, 3});
  check_misuse([&] { return x.item(); }, "item: a tensor of shape [2, 3] has 6 elements, not one");
  check_misuse([&] { return zeros({0}).item(); }, "item: a tensor of shape [0] has 0 elements");
  check_misuse([&] { return x.at({0}); }, "at: 1 indices for the 2 dimensions of shape [2, 3]");
  const char* const outside = "at: index 3 is out of range in dimension 1 of shape [2, 3]";
  check_misuse([&] { return x.at({0, 3}); }, outside);
  check_misuse([&] { return x.at({-3, 0}); }, "index -3 is out of range in dimension 0");
  check_misuse([&] { return x.data<double>(); },
               "data: this tensor of shape [2, 3] holds float32, not float64");
  Tensor y = x;
  check_misuse([&] { return y.mutable_data<bool>(); }, "holds float32, not bool");
}

TEST_CASE("an undefined tensor can be asked whether it is defined, and printed") {
  const Tensor none;
  CHECK_FALSE(none.defined());
  CHECK_FALSE(none.requires_grad());
  CHECK(zeros({1}).defined());
  CHECK_THROWS_WITH_AS(none.shape(), Contains("this Tensor is undefined"), Error);
  CHECK_THROWS_WITH_AS(none.item(), Contains("this Tensor is undefined"), Error);
  CHECK_THROWS_WITH_AS(none.detach(), Contains("this Tensor is undefined"), Error);
  CHECK_THROWS_WITH_AS(Tensor().fill_(1), Contains("this Tensor is undefined"), Error);
  CHECK_THROWS_WITH_AS(Tensor().set_data(zeros({1})), Contains("this Tensor is undefined"), Error);
  check_misuse([&] { return none + zeros({1}); }, "an op was given an undefined Tensor");
  check_misuse([&] { return matmul(zeros({1}), none); }, "an op was given an undefined Tensor");
}

TEST_CASE("copies of a handle share elements, a clone does not") {
  Tensor x = zeros({2});
  const Tensor same = x;
  const Tensor part = slice(x, 0, 1, 2);
  const Tensor copy = x.clone();
  x.fill_(3);
  CHECK(values(same) == Doubles{3, 3});
  CHECK(values(part) == Doubles{3});
  CHECK(values(copy) == Doubles{0, 0});
}

TEST_CASE("conversions are free where nothing is to be done") {
  const Tensor x = tensor({{1, 2}, {3, 4}});
  CHECK(x.to(DType::float32).bytes() == x.bytes());
  CHECK(x.contiguous().bytes() == x.bytes());
  CHECK(transpose(x).contiguous().bytes() != x.bytes());
  CHECK(transpose(x).contiguous().is_contiguous());
  CHECK(values(x.to(DType::int64)) == Doubles{1, 2, 3, 4});
  CHECK(x.to(DType::boolean).dtype() == DType::boolean);
}

// Changes in place.

TEST_CASE("fill_, zero_, copy_, add_ and mul_, on dense tensors and on views") {
  Tensor x = tensor({{1, 2}, {3, 4}});
  CHECK(values(x.add_(x)) == Doubles{2, 4, 6, 8});
  CHECK(values(x.mul_(0.5)) == Doubles{1, 2, 3, 4});
  CHECK(values(x.add_(tensor({10, 20}), -1)) == Doubles{-9, -18, -7, -16});
  CHECK(values(x.copy_(tensor({{5}, {6}}))) == Doubles{5, 5, 6, 6});
  CHECK(values(x.fill_(7)) == Doubles{7, 7, 7, 7});

  transpose(x).copy_(tensor({{1, 2}, {3, 4}}));
  CHECK(values(x) == Doubles{1, 3, 2, 4});
  select(x, 1, 0).add_(scalar(10), 2);
  CHECK(values(x) == Doubles{21, 3, 22, 4});
  slice(x, 1, 1, 2).mul_(-1);
  CHECK(values(x) == Doubles{21, -3, 22, -4});
  flip(x, 0).add_(x);  // what is read overlaps what is written
  CHECK(values(x) == Doubles{43, -7, 43, -7});
  x.copy_(transpose(x));
  CHECK(values(x) == Doubles{43, 43, -7, -7});
  select(x, 0, 1).zero_();
  CHECK(values(x) == Doubles{43, 43, 0, 0});
  slice(x, 0, 2, 2).fill_(9);
  CHECK(values(x) == Doubles{43, 43, 0, 0});
}

TEST_CASE("what changes a tensor is converted to its dtype") {
  Tensor x = tensor({1, 2}, DType::float64);
  CHECK(values(x.add_(tensor({3, 4}, DType::int64))) == Doubles{4, 6});
  Tensor n = tensor({1, 2}, DType::int64);
  CHECK(values(n.add_(tensor({3, 4}), 2)) == Doubles{7, 10});
  CHECK(values(n.mul_(3)) == Doubles{21, 30});
  Tensor b = tensor({0, 1}, DType::boolean);
  CHECK(values(b.fill_(1)) == Doubles{1, 1});
}

TEST_CASE("large tensors are changed by several threads") {
  Tensor x = ones({100'003});
  x.mul_(3).add_(ones({100'003}), 2);
  CHECK(sum(x.to(DType::float64)).item() == 5 * 100'003);
}

TEST_CASE("an expanded tensor cannot be changed in place") {
  Tensor wide = expand(tensor({{1}, {2}}), {2, 3});
  const char* const message =
      "this tensor of shape [2, 3] was expanded: along dimension 1 it shows one element many times";
  check_misuse([&] { wide.fill_(1); }, message);
  check_misuse([&] { wide.mul_(2); }, message);
  check_misuse([&] { wide.add_(ones({2, 3})); }, message);
  check_misuse([&] { wide.copy_(ones({2, 3})); }, message);
  check_misuse([&] { wide.mutable_data<float>(); }, "Change a clone() of it.");
  CHECK(values(wide) == Doubles{1, 1, 1, 2, 2, 2});
  // A dimension of size 1 repeats nothing, whatever its stride.
  expand(tensor({1}), {1, 1}).fill_(2);
  CHECK(values(wide.clone().fill_(1)) == Doubles(6, 1));
}

TEST_CASE("changes in place that do not fit are errors, and change nothing") {
  Tensor x = tensor({1, 2});
  check_misuse([&] { x.add_(zeros({3})); }, "add_: [3] does not broadcast to [2]");
  check_misuse([&] { x.copy_(zeros({1, 2})); }, "copy_: [1, 2] does not broadcast to [2]");
  CHECK(values(x) == Doubles{1, 2});
  CHECK(x.body().storage->version() == 0);
}

TEST_CASE("changes in place are counted, once for all views") {
  Tensor x = zeros({2, 2});
  const Storage& storage = *x.body().storage;
  x.fill_(1);
  transpose(x).mul_(2);
  x.detach().add_(x);
  x.mutable_data<float>()[0] = 5;
  CHECK(storage.version() == 4);
  CHECK(std::string(storage.last_writer()) == "mutable_data");
  CHECK(storage.last_write().line() == __LINE__ - 3);
}

TEST_CASE("a tensor that requires a gradient is changed under NoGrad only") {
  Tensor leaf = tensor({1, 2}).requires_grad_();
  const char* const message =
      "a change in place of a tensor of shape [2] that requires a gradient would not be recorded";
  check_misuse([&] { leaf.fill_(0); }, message);
  check_misuse([&] { leaf.add_(zeros({2})); }, message);
  check_misuse([&] { leaf.mutable_data<float>(); }, message);
  check_misuse([&] { slice(leaf, 0, 0, 1).zero_(); }, "of shape [1] that requires a gradient");
  {
    const NoGrad no_grad;
    leaf.mul_(2);
    slice(leaf, 0, 0, 1).zero_();
  }
  CHECK(values(leaf) == Doubles{0, 4});
  CHECK(leaf.requires_grad());
}

TEST_CASE("a gradient is not lost by being added to a constant in place") {
  Tensor total = zeros({2});
  const Tensor x = tensor({1, 2}).requires_grad_();
  const char* const message = "its argument requires a gradient, which would be lost";
  check_misuse([&] { total.add_(x); }, message);
  check_misuse([&] { total.copy_(x * 2); }, message);
  total.add_(x.detach());
  const NoGrad no_grad;
  total.add_(x);
  CHECK(values(total) == Doubles{2, 4});
}

// Operators.

TEST_CASE("operators mix tensors and numbers as a person would write them") {
  const Tensor x = tensor({1, 2});
  const Tensor y = tensor({4, 8}, DType::float64);
  CHECK(values(x + 1) == Doubles{2, 3});
  CHECK(values(1 + x) == Doubles{2, 3});
  CHECK(values(x - 1) == Doubles{0, 1});
  CHECK(values(1 - x) == Doubles{0, -1});
  CHECK(values(2 * x * 0.5f) == Doubles{1, 2});
  CHECK(values(8 / y / 2L) == Doubles{1, 0.5});
  CHECK(values(-x + x * x - x / x) == Doubles{-1, 1});
  CHECK(values((x + 1) * (x - 1)) == Doubles{0, 3});
  CHECK((1 + y).dtype() == DType::float64);
  CHECK((1.5 + x).dtype() == DType::float32);
  CHECK((tensor({1}, DType::int64) + 1).dtype() == DType::int64);
  CHECK(values(x < 2) == Doubles{1, 0});
  CHECK(values(x >= tensor({2, 2})) == Doubles{0, 1});
  CHECK(values(tensor({{1}, {2}}) + x) == Doubles{2, 3, 3, 4});
  check_misuse([&] { return x + y; }, "add: the dtypes differ: float32 [2] and float64 [2]");
}

// requires_grad.

TEST_CASE("leaves and computed tensors") {
  Tensor x = tensor({1, 2});
  CHECK(x.is_leaf());
  CHECK_FALSE((x * 2).requires_grad());
  x.requires_grad_();
  CHECK(x.requires_grad());
  CHECK(x.is_leaf());
  const Tensor y = x * 2;
  CHECK(y.requires_grad());
  CHECK_FALSE(y.is_leaf());
  CHECK_FALSE((y > 1).requires_grad());
  CHECK_FALSE(argmax(y, 0).requires_grad());
  CHECK_FALSE(y.to(DType::int64).requires_grad());
  CHECK(y.to(DType::float64).requires_grad());

  Tensor same = x;
  same.requires_grad_(false);
  CHECK_FALSE(x.requires_grad());
}

TEST_CASE("what cannot require a gradient says so") {
  Tensor ids = tensor({1}, DType::int64);
  check_misuse([&] { ids.requires_grad_(); },
               "requires_grad_: a tensor of int64 has no derivative");
  ids.requires_grad_(false);
  Tensor x = tensor({1}).requires_grad_();
  Tensor y = x * 2;
  check_misuse([&] { y.requires_grad_(false); },
               "requires_grad_: this tensor is the result of a recorded op");
  Tensor constant = tensor({1});
  check_misuse([&] { return constant.grad(); }, "grad: this tensor does not require a gradient");
  check_misuse([&] { return y.grad(); },
               "grad: only leaves keep a gradient, and this tensor was computed");
  check_misuse([&] { constant.zero_grad(); }, "set_grad: this tensor does not require a gradient");
  check_misuse([&] { constant.register_hook([](const Tensor& g) { return g; }); },
               "register_hook: this tensor does not require a gradient, so none will arrive");
}

TEST_CASE("setting and clearing a gradient") {
  Tensor x = tensor({1, 2}).requires_grad_();
  CHECK_FALSE(x.grad().defined());
  x.set_grad(tensor({3, 4}));
  CHECK(values(x.grad()) == Doubles{3, 4});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  check_misuse([&] { x.set_grad(tensor({3})); },
               "set_grad: a gradient of float32 [1] for a tensor of float32 [2]");
  const char* const wrong_dtype = "set_grad: a gradient of float64 [2] for a tensor of float32 [2]";
  check_misuse([&] { x.set_grad(tensor({3, 4}, DType::float64)); }, wrong_dtype);
}

TEST_CASE("detach() cuts off the graph and shares the elements") {
  const Tensor x = tensor({1, 2}).requires_grad_();
  const Tensor y = x * 3;
  const Tensor cut = y.detach();
  CHECK_FALSE(cut.requires_grad());
  CHECK(cut.is_leaf());
  CHECK(cut.bytes() == y.bytes());
  CHECK(y.requires_grad());
  sum(y * cut).backward();
  CHECK(values(x.grad()) == Doubles{9, 18});
}

TEST_CASE("NoGrad and EnableGrad switch recording, nest, and are of one thread") {
  const Tensor x = tensor({1}).requires_grad_();
  CHECK(grad_enabled());
  {
    const NoGrad off;
    CHECK_FALSE(grad_enabled());
    CHECK_FALSE((x * 2).requires_grad());
    {
      const EnableGrad on;
      CHECK((x * 2).requires_grad());
      const GradMode off_again(false);
      CHECK_FALSE((x * 2).requires_grad());
    }
    CHECK_FALSE(grad_enabled());
    bool elsewhere = false;
    std::thread([&] { elsewhere = grad_enabled(); }).join();
    CHECK(elsewhere);
  }
  CHECK(grad_enabled());
  try {
    const NoGrad off;
    throw std::runtime_error("out");
  } catch (const std::runtime_error&) {
  }
  CHECK(grad_enabled());
  // The handle of a leaf keeps requiring a gradient while nothing is recorded.
  const NoGrad off;
  CHECK(x.requires_grad());
}

TEST_CASE("set_data() shows other elements in every copy of the handle") {
  Tensor x = tensor({1, 2});
  const Tensor same = x;
  x.set_data(tensor({{3, 4}, {5, 6}}, DType::float64));
  CHECK(same.shape() == Shape{2, 2});
  CHECK(values(same) == Doubles{3, 4, 5, 6});
  CHECK(same.dtype() == DType::float64);

  Tensor leaf = tensor({1, 2}).requires_grad_();
  int calls = 0;
  leaf.register_hook([&calls](const Tensor&) {
    ++calls;
    return Tensor();
  });
  sum(leaf * 2).backward();
  leaf.set_data(tensor({1, 2, 3}, DType::float64));
  CHECK(leaf.requires_grad());
  CHECK(leaf.is_leaf());
  CHECK_FALSE(leaf.grad().defined());
  sum(leaf * leaf).backward();
  CHECK(values(leaf.grad()) == Doubles{2, 4, 6});
  CHECK(calls == 2);

  check_misuse([&] { leaf.set_data(tensor({1}, DType::int64)); },
               "set_data: a tensor of int64 has no derivative");
  Tensor y = leaf * 2;
  check_misuse([&] { y.set_data(leaf); }, "set_data: this tensor is the result of a recorded op");
}

TEST_CASE("a graph recorded before set_data() fails aloud or goes on, but loses nothing") {
  Tensor x = tensor({1, 2}).requires_grad_();
  const Tensor doubled = sum(x * 2);
  const Tensor squared = sum(x * x);
  const Tensor reused = sum(x * 3);
  x.set_data(tensor({5, 6}));
  doubled.backward();
  CHECK(values(x.grad()) == Doubles{2, 2});
  CHECK_THROWS_WITH_AS(squared.backward(),
                       Contains("saved a tensor that set_data() gave other elements afterwards"),
                       Error);
  x.set_data(tensor({5, 6, 7}));
  CHECK_THROWS_WITH_AS(reused.backward(), Contains("for a tensor of shape [3]"), Error);
}

}  // namespace
}  // namespace attune
