#include "nn/init.h"

#include <vector>

namespace attune::nn::init {

// Gram & Schmidt's orthogonalisation of normal vectors, each taken twice for the sake of rounding:
// random directions, all equally likely.
Tensor orthogonal(const Shape& shape, double gain) {
  const bool wide = shape[0] <= shape[1];
  const auto count = static_cast<std::size_t>(wide ? shape[0] : shape[1]);
  const auto size = static_cast<std::size_t>(wide ? shape[1] : shape[0]);
  std::vector<std::vector<double>> vectors(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto& v = vectors[i];
    v = randn({static_cast<std::int64_t>(size)}, 0, 1, DType::float64).to_vector<double>();
    for (std::size_t pass = 0; pass < 2 * i; ++pass) {
      const auto& other = vectors[pass % i];
      double along = 0;
      for (std::size_t k = 0; k < size; ++k) along += v[k] * other[k];
      for (std::size_t k = 0; k < size; ++k) v[k] -= along * other[k];
    }
    double norm = 0;
    for (const double x : v) norm += x * x;
    for (double& x : v) x /= std::sqrt(norm);
  }
  std::vector<float> values;
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    for (std::int64_t column = 0; column < shape[1]; ++column) {
      const auto i = static_cast<std::size_t>(wide ? row : column);
      const auto k = static_cast<std::size_t>(wide ? column : row);
      values.push_back(static_cast<float>(gain * vectors[i][k]));
    }
  }
  return from_vector(values, shape);
}

}  // namespace attune::nn::init
