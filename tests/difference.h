#pragma once
// What the tests look at: the elements of tensors, and how far two are apart.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/ops.h"
#include "autograd/random.h"

namespace attune {

// How far two ways to compute the same in float64 may be apart.
inline constexpr double tolerance = 1e-12;

using Doubles = std::vector<double>;

inline Doubles values(const Tensor& tensor) {
  return tensor.to_vector<double>();
}

inline Tensor from_list(const std::vector<std::int64_t>& values) {
  return from_vector(values, {static_cast<std::int64_t>(values.size())});
}

// Normal numbers in float64.
inline Tensor random_doubles(const Shape& shape) {
  return randn(shape, 0, 1, DType::float64);
}

// Classes drawn at random from 0 to classes - 1.
inline Tensor random_targets(const Shape& shape, std::int64_t classes) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = 0; i < numel(shape); ++i) {
    values.push_back(
        static_cast<std::int64_t>(default_generator().below(static_cast<std::uint64_t>(classes))));
  }
  return from_vector(values, shape);
}

// The largest absolute difference of two elements; infinite where one of them is not a number.
inline double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  const std::vector<double> x = a.to_vector<double>();
  const std::vector<double> y = b.to_vector<double>();
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double apart = std::abs(x[i] - y[i]);
    largest = std::isnan(apart) ? INFINITY : std::max(largest, apart);
  }
  return largest;
}

}  // namespace attune
