// Tensors as text. The expected texts are what NumPy prints with four digits of precision.
#include <doctest/doctest.h>

#include <limits>
#include <sstream>

#include "autograd/ops.h"

namespace attune {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

TEST_CASE("floating numbers show the digits they need, up to four, with their points aligned") {
  CHECK(to_string(tensor({1, 2, 3})) == "[1. 2. 3.]");
  CHECK(to_string(tensor({1.5, 2.25, 3})) == "[1.5  2.25 3.  ]");
  CHECK(to_string(tensor({0.1, 0.2, 0.3})) == "[0.1 0.2 0.3]");
  CHECK(to_string(tensor({1.0 / 3, 2.0 / 3, -1})) == "[ 0.3333  0.6667 -1.    ]");
  CHECK(to_string(tensor({12345.678, 123.456})) == "[12345.678   123.456]");
  CHECK(to_string(tensor({0.99999, 0.5})) == "[1.  0.5]");
  CHECK(to_string(tensor({0, -0.0})) == "[ 0. -0.]");
  CHECK(to_string(tensor({1.0 / 3, 99999999}, DType::float64) * 0) == "[0. 0.]");
}

TEST_CASE("numbers of very different or extreme sizes are in scientific notation") {
  CHECK(to_string(tensor({1e-5, 1})) == "[1.e-05 1.e+00]");
  CHECK(to_string(tensor({1e8, 1})) == "[1.e+08 1.e+00]");
  CHECK(to_string(tensor({99999999, 1e6}, DType::float64)) == "[99999999.  1000000.]");
  CHECK(to_string(tensor({1000.5, 0.5})) == "[1.0005e+03 5.0000e-01]");
  CHECK(to_string(tensor({1000, 1, 0})) == "[1000.    1.    0.]");
  CHECK(to_string(tensor({1e30, -1e-30})) == "[ 1.e+30 -1.e-30]");
  CHECK(to_string(tensor({1e-300, 1e20}, DType::float64)) == "[1.e-300 1.e+020]");
}

TEST_CASE("numbers that are not finite stand in their columns") {
  CHECK(to_string(tensor({nan, 1, infinity})) == "[nan  1. inf]");
  CHECK(to_string(tensor({nan, 1.25, -infinity})) == "[ nan 1.25 -inf]");
  CHECK(to_string(tensor({nan, infinity})) == "[nan inf]");
  CHECK(to_string(tensor({-infinity, 1e-10, 123})) == "[    -inf 1.00e-10 1.23e+02]");
}

TEST_CASE("matrices are stacked, with an empty line between those of a tensor of rank 3") {
  CHECK(to_string(tensor({{1, -2}, {3.5, 1000}})) ==
        "[[   1.    -2. ]\n"
        " [   3.5 1000. ]]");
  CHECK(to_string(reshape(arange(0, 12), {2, 2, 3})) ==
        "[[[ 0  1  2]\n"
        "  [ 3  4  5]]\n"
        "\n"
        " [[ 6  7  8]\n"
        "  [ 9 10 11]]]");
  CHECK(to_string(reshape(arange(0, 4), {2, 1, 2, 1})) ==
        "[[[[0]\n"
        "   [1]]]\n"
        "\n"
        "\n"
        " [[[2]\n"
        "   [3]]]]");
}

TEST_CASE("a view is printed as it is seen") {
  const Tensor x = reshape(arange(0, 6), {2, 3});
  CHECK(to_string(transpose(x)) ==
        "[[0 3]\n"
        " [1 4]\n"
        " [2 5]]");
  CHECK(to_string(flip(select(x, 0, 1), 0)) == "[5 4 3]");
  CHECK(to_string(expand(tensor({7}), {3})) == "[7. 7. 7.]");
}

TEST_CASE("int64 and boolean") {
  CHECK(to_string(tensor({1, -20, 300}, DType::int64)) == "[  1 -20 300]");
  CHECK(to_string(tensor({{1, 0}, {0, 0}}, DType::boolean)) ==
        "[[ True False]\n"
        " [False False]]");
  CHECK(to_string(tensor({1}, DType::boolean)) == "[ True]");
}

TEST_CASE("a scalar is a plain number with all its digits") {
  CHECK(to_string(scalar(1.0 / 3)) == "0.33333334");
  CHECK(to_string(scalar(1.0 / 3, DType::float64)) == "0.3333333333333333");
  CHECK(to_string(scalar(-2)) == "-2.0");
  CHECK(to_string(scalar(1e-9)) == "1e-09");
  CHECK(to_string(scalar(nan)) == "nan");
  CHECK(to_string(scalar(-infinity)) == "-inf");
  CHECK(to_string(scalar(7, DType::int64)) == "7");
  CHECK(to_string(scalar(0, DType::boolean)) == "False");
}

TEST_CASE("nothing to print") {
  CHECK(to_string(Tensor()) == "undefined");
  CHECK(to_string(zeros({0})) == "[] of shape [0]");
  CHECK(to_string(zeros({2, 0, 3})) == "[] of shape [2, 0, 3]");
}

TEST_CASE("rows longer than 75 columns are wrapped") {
  CHECK(to_string(arange(-20, 20)) ==
        "[-20 -19 -18 -17 -16 -15 -14 -13 -12 -11 -10  -9  -8  -7  -6  -5  -4  -3\n"
        "  -2  -1   0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15\n"
        "  16  17  18  19]");
  // Blanks that would pad the last number of a line are left out.
  CHECK(to_string(arange(3, 19, 1, DType::float32) / 4) ==
        "[0.75 1.   1.25 1.5  1.75 2.   2.25 2.5  2.75 3.   3.25 3.5  3.75 4.\n"
        " 4.25 4.5 ]");
}

TEST_CASE("more than 1000 elements are abbreviated to three at either end") {
  CHECK(to_string(arange(0, 1000)).find("...") == std::string::npos);
  CHECK(to_string(arange(0, 1001)) == "[   0    1    2 ...  998  999 1000]");
  CHECK(to_string(reshape(arange(0, 2100), {7, 300})) ==
        "[[   0    1    2 ...  297  298  299]\n"
        " [ 300  301  302 ...  597  598  599]\n"
        " [ 600  601  602 ...  897  898  899]\n"
        " ...\n"
        " [1200 1201 1202 ... 1497 1498 1499]\n"
        " [1500 1501 1502 ... 1797 1798 1799]\n"
        " [1800 1801 1802 ... 2097 2098 2099]]");
  // Dimensions that are short enough are shown whole.
  CHECK(to_string(reshape(arange(0, 1200), {600, 2})) ==
        "[[   0    1]\n"
        " [   2    3]\n"
        " [   4    5]\n"
        " ...\n"
        " [1194 1195]\n"
        " [1196 1197]\n"
        " [1198 1199]]");
  CHECK(to_string(reshape(arange(0, 1001), {1001, 1, 1})) ==
        "[[[   0]]\n"
        "\n"
        " [[   1]]\n"
        "\n"
        " [[   2]]\n"
        "\n"
        " ...\n"
        "\n"
        " [[ 998]]\n"
        "\n"
        " [[ 999]]\n"
        "\n"
        " [[1000]]]");
  // Only the elements that are shown decide on the width.
  Tensor x = zeros({2000});
  x.mutable_data<float>()[1000] = 1e20f;
  CHECK(to_string(x) == "[0. 0. 0. ... 0. 0. 0.]");
}

TEST_CASE("printing to a stream, and of tensors in the graph, records nothing") {
  const Tensor x = tensor({1, 2}).requires_grad_();
  const auto before = memory_stats().live_nodes;
  std::ostringstream out;
  out << "x = " << x;
  CHECK(out.str() == "x = [1. 2.]");
  CHECK(memory_stats().live_nodes == before);
}

}  // namespace
}  // namespace attune
