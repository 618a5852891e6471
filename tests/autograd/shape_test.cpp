// Shapes, strides and broadcasting, and the sentences said when they do not fit.
#include "autograd/shape.h"

#include <doctest/doctest.h>

#include <vector>

#include "autograd/ops.h"
#include "tests/autograd/misuse.h"

namespace attune {
namespace {

using doctest::Contains;
using testing::check_misuse;

const Site here = Site::current();

TEST_CASE("Dims is a short list") {
  Dims dims{2, 3};
  CHECK(dims.size() == 2);
  CHECK_FALSE(dims.empty());
  CHECK(Dims().empty());
  CHECK(dims[1] == 3);
  CHECK(dims.back() == 3);

  dims.push_back(5);
  dims.insert(0, 1);
  CHECK(dims == Dims{1, 2, 3, 5});
  dims.erase(2);
  CHECK(dims == Dims{1, 2, 5});
  dims.back() = 7;
  dims[0] = 4;
  CHECK(std::vector(dims.begin(), dims.end()) == std::vector<std::int64_t>{4, 2, 7});

  const std::vector<std::int64_t> sizes{6, 8};
  CHECK(Dims(sizes) == Dims{6, 8});
  CHECK(Dims::filled(3, 4) == Dims{4, 4, 4});
  CHECK_FALSE(Dims{1, 2} == Dims{1, 2, 3});
  CHECK_FALSE(Dims{1, 2} == Dims{1, 3});
  CHECK(to_string(Dims{2, 3}) == "[2, 3]");
  CHECK(to_string(Dims()) == "[]");
}

TEST_CASE("beyond max_rank dimensions is an error that names the caller's line") {
  const char* const message = "shape: a tensor has at most 8 dimensions, and this needs 9";
  check_misuse([&] { return Dims{1, 2, 3, 4, 5, 6, 7, 8, 9}; }, message);
  check_misuse([&] { return zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}); }, message);
  check_misuse([&] { return Dims::filled(9, 1); }, message);
  Dims full = Dims::filled(8, 1);
  check_misuse([&] { full.push_back(1); }, message);
  check_misuse([&] { full.insert(0, 1); }, message);
  CHECK(full == Dims::filled(8, 1));
  const Tensor x = zeros(full);
  check_misuse([&] { return unsqueeze(x, 0); }, message);
}

TEST_CASE("the number of elements, or an error where there are too many to count") {
  CHECK(numel({}) == 1);
  CHECK(numel({2, 3, 4}) == 24);
  CHECK(numel({2, 0, 4}) == 0);
  const std::int64_t large = std::int64_t{1} << 32;
  CHECK(numel({large, large / 4}) == std::int64_t{1} << 62);
  CHECK_THROWS_WITH_AS(
      numel({large, large}),
      Contains("the shape [4294967296, 4294967296] has more elements than can be counted."), Error);
  CHECK_THROWS_WITH_AS(numel({large, 0, large}), Contains("more elements than can be counted"),
                       Error);
}

TEST_CASE("row-major strides") {
  CHECK(contiguous_strides({2, 3, 4}) == Strides{12, 4, 1});
  CHECK(contiguous_strides({}) == Strides{});
  CHECK(contiguous_strides({2, 0, 4}) == Strides{4, 4, 1});
  CHECK(is_contiguous({2, 3}, {3, 1}));
  CHECK_FALSE(is_contiguous({2, 3}, {1, 2}));
  CHECK_FALSE(is_contiguous({2, 3}, {6, 2}));
  CHECK_FALSE(is_contiguous({2, 3}, {0, 1}));
  // The stride of a dimension of size 1 is never used.
  CHECK(is_contiguous({2, 1, 3}, {3, 77, 1}));
  CHECK(is_contiguous({}, {}));
}

TEST_CASE("shapes broadcast from the last dimension on") {
  CHECK(broadcast_shapes("add", here, {2, 3}, {2, 3}) == Shape{2, 3});
  CHECK(broadcast_shapes("add", here, {2, 3}, {3}) == Shape{2, 3});
  CHECK(broadcast_shapes("add", here, {3}, {2, 1}) == Shape{2, 3});
  CHECK(broadcast_shapes("add", here, {4, 1, 3}, {5, 1}) == Shape{4, 5, 3});
  CHECK(broadcast_shapes("add", here, {}, {2}) == Shape{2});
  CHECK(broadcast_shapes("add", here, {1}, {0}) == Shape{0});
  CHECK(broadcast_shapes("add", here, {0, 3}, {1, 1}) == Shape{0, 3});

  CHECK(broadcasts_to({3}, {2, 3}));
  CHECK(broadcasts_to({1, 3}, {2, 3}));
  CHECK(broadcasts_to({}, {2}));
  CHECK(broadcasts_to({1}, {0}));
  CHECK_FALSE(broadcasts_to({2, 3}, {3}));
  CHECK_FALSE(broadcasts_to({2}, {3}));
  CHECK_FALSE(broadcasts_to({0}, {1}));

  CHECK(broadcast_strides({3, 1}, {1, 1}, {2, 3, 4}) == Strides{0, 1, 0});
  CHECK(broadcast_strides({}, {}, {2}) == Strides{0});
}

TEST_CASE("shapes that do not broadcast are an error that names the clash") {
  const Tensor a = zeros({64, 128});
  const Tensor b = zeros({256, 1});
  check_misuse([&] { return a + b; },
               "add: the shapes do not broadcast: [64, 128] and [256, 1] (64 vs 256 in dimension "
               "-2)");
  check_misuse([&] { return zeros({2}) * zeros({4, 3}); }, "(2 vs 3 in dimension -1)");
  check_misuse([&] { return zeros({0}) + zeros({2}); }, "(0 vs 2 in dimension -1)");
  check_misuse([&] { return a - zeros({3}); },
               "Sizes must be equal or 1, counted from the last dimension; unsqueeze() adds one of "
               "1.");
}

TEST_CASE("dimensions are counted from either end") {
  CHECK(wrap_dim("sum", here, 0, 3) == 0);
  CHECK(wrap_dim("sum", here, 2, 3) == 2);
  CHECK(wrap_dim("sum", here, -1, 3) == 2);
  CHECK(wrap_dim("sum", here, -3, 3) == 0);
  const Tensor x = zeros({2, 3});
  check_misuse([&] { return x.size(2); },
               "size: dimension 2 is out of range for 2 dimensions (-2 to 1)");
  check_misuse([&] { return sum(x, {-3}); },
               "sum: dimension -3 is out of range for 2 dimensions (-2 to 1)");
  check_misuse([&] { return scalar(1).size(0); }, "size: dimension 0 of a scalar, which has none");
}

TEST_CASE("shapes that do not broadcast are drawn aligned, every clash marked") {
  CHECK(draw_broadcast({32, 10, 64}, {7, 64}) ==
        " [32, 10, 64]\n"
        "      [7, 64]\n"
        "      ^^");
  CHECK(draw_broadcast({3}, {2, 5, 100}) ==
        "         [3]\n"
        " [2, 5, 100]\n"
        "        ^^^");
  CHECK(draw_broadcast({2, 3, 4, 9}, {3, 1, 5, 8}, 2) ==
        " [2, 3, 4, 9]\n"
        " [3, 1, 5, 8]\n"
        "  ^");
}

TEST_CASE("what cannot be expanded, and what should be equal, is marked") {
  CHECK(draw_expansion({2, 5, 1}, {5, 12}) ==
        " [2, 5,  1]\n"
        "    [5, 12]\n"
        "  ^");
  CHECK(draw_expansion({4}, {3, 1}) ==
        "    [4]\n"
        " [3, 1]\n"
        "     ^");
  CHECK(draw_difference({5, 12}, {5}) ==
        " [5, 12]\n"
        "     [5]\n"
        "  ^  ^^");
  CHECK(draw_difference({2}, {}) ==
        " [2]\n"
        "   []\n"
        "  ^");
}

TEST_CASE("where different dimensions clash, each shape has marks of its own") {
  CHECK(draw_clash({64, 128}, {-1}, {256, 512}, {-2}) ==
        "  [64, 128]\n"
        "       ^^^\n"
        " [256, 512]\n"
        "  ^^^");
}

TEST_CASE("errors of shapes come with the picture") {
  const Tensor a = zeros({2, 3}), b = zeros({4, 5});
  const auto with_picture = [](const auto& f, const char* picture) {
    CHECK_THROWS_WITH_AS(f(), Contains(picture), Error);
  };
  with_picture([&] { return a + b; }, ".\n [2, 3]\n [4, 5]\n  ^  ^");
  with_picture([&] { return matmul(a, b); }, ".\n [2, 3]\n     ^\n [4, 5]\n  ^");
  with_picture([&] { return linear(a, b); }, ".\n [2, 3]\n [4, 5]\n     ^");
  with_picture(
      [&] {
        return matmul(zeros({2, 1, 3}), zeros({4, 3, 1}));
      },
      ".\n [2, 1, 3]\n [4, 3, 1]\n  ^");
  with_picture([&] { return expand(a, {2, 4}); }, ".\n [2, 3]\n [2, 4]\n     ^");
  with_picture([&] { return sum_to(b, {4, 6}); }, ".\n [4, 6]\n [4, 5]\n     ^");
  with_picture([&] { return mse_loss(a, b); }, ".\n [2, 3]\n [4, 5]\n  ^  ^");
  with_picture([&] { return zeros({2, 3}).copy_(b); }, ".\n [4, 5]\n [2, 3]\n  ^  ^");
}

}  // namespace
}  // namespace attune
