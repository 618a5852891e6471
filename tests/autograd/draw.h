#pragma once
// Random arguments for ops: shapes with and without elements, sizes of 1, shapes that broadcast,
// and tensors whose elements lie in memory in every way that a view can show.

#include <cstdint>
#include <vector>

#include "autograd/random.h"
#include "autograd/tensor.h"

namespace attune::testing {

// The seed of the randomised tests: ATTUNE_TEST_SEED of the environment, or a fixed one.
std::uint64_t test_seed();

class Draw {
 public:
  // The rounds 0, 1 and 2 draw the smallest shapes, empty ones, and ones with many sizes of 1;
  // later rounds anything. So a few rounds are certain to meet all.
  Draw(std::uint64_t seed, int round);

  int round() const { return round_; }
  bool coin() { return integer(0, 1) == 0; }
  std::int64_t integer(std::int64_t low, std::int64_t high);  // low and high included
  double real(double low, double high);
  std::size_t place(std::size_t count);  // from 0 to below the count

  Shape shape(std::int64_t min_rank = 0, std::int64_t max_rank = 4);
  // A shape that broadcasts to this one.
  Shape broadcasting_to(const Shape& shape);
  // One of so many dimensions, counted from the front or from the back.
  std::int64_t dim(std::size_t rank);
  // All of them in any order.
  Dims order(std::size_t rank);
  // Some of them in any order.
  Dims dims(std::size_t rank);

  // Values from low to high, of dtype float64.
  Tensor values(const Shape& shape, double low = -2, double high = 2);
  // The same as a leaf that requires a gradient, lying in memory in any way.
  Tensor leaf(const Shape& shape, double low = -2, double high = 2);
  // A leaf whose elements are odd multiples of 0.1, no two the same: whatever compares them with
  // each other, or with even multiples of 0.1, is smooth around them.
  Tensor distinct(const Shape& shape);
  Tensor mask(const Shape& shape);
  // int64 values from 0 to below the bound, which may be 0 if the shape is empty.
  Tensor indices(const Shape& shape, std::int64_t bound);

  // The same elements in other places: in another order of the dimensions, backwards, with gaps, or
  // within a larger tensor. What lies around them is no number, or no index.
  Tensor laid_out(const Tensor& values);

 private:
  Generator generator_;
  int round_;
  int layouts_;
};

}  // namespace attune::testing
