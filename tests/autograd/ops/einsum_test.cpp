// What einsum says of equations that do not fit. Its values are held against PyTorch's in
// tests/conformance, its derivatives by the gradcheck table.

#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "tests/autograd/misuse.h"

using namespace attune;
using attune::testing::check_misuse;

TEST_CASE("an equation that does not fit its operands is an error") {
  const Tensor a = ones({2, 3});
  const Tensor b = ones({3, 2});
  const Tensor row = ones({1, 3});
  const Tensor cube = ones({1, 1, 1});
  check_misuse([&] { einsum("ij,jk->ik", {a}); }, "is about 2 operands, and there are 1");
  check_misuse([&] { einsum("ijk->i", {a}); }, "names 3 dimensions, but operand 0 is [2, 3]");
  check_misuse([&] { einsum("i->i", {a}); }, "names 1 dimensions, but operand 0 is [2, 3]");
  check_misuse([&] { einsum("i2->i", {a}); }, "'2' names no dimension");
  check_misuse([&] { einsum("......->", {cube}); }, "'.' names no dimension");
  check_misuse([&] { einsum("ij->ik", {a}); }, "'k' is in no operand, but in the result");
  check_misuse([&] { einsum("ij->ii", {a}); }, "'i' stands twice in the result");
  check_misuse([&] { einsum("ij,ij", {a, b}); }, "in another, operand 1 of shape [3, 2]");
  check_misuse([&] { einsum("ii->i", {a}); }, "'i' is 2 in one place and 3 in another");
  check_misuse([&] { einsum("ii->i", {row}); },
               "'i' stands for sizes 1 and 3 of one operand, which has no diagonal");
  check_misuse([&] { einsum("ij,jk", {a, ones({3, 2}, DType::float64)}); }, "the dtypes differ");
  check_misuse([&] { einsum("", {}); }, "there are no operands");
}

TEST_CASE("a size of 1 is repeated, and spaces do not matter") {
  const Tensor product = einsum(" i j , j -> i ", {ones({2, 1}), ones({5})});
  CHECK(product.to_vector<double>() == std::vector<double>{5, 5});
}
