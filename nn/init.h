#pragma once
// Initial values of parameters, drawn from the default generator.

#include <cmath>

#include "autograd/tensor.h"

namespace attune::nn::init {

// Uniform in [-bound, bound).
inline Tensor uniform(const Shape& shape, double bound) {
  return rand(shape, -bound, bound);
}

// Uniform with bound 1 / sqrt(fan_in): what PyTorch gives linear and recurrent layers.
inline Tensor fan_in_uniform(const Shape& shape, std::int64_t fan_in) {
  return uniform(shape, 1 / std::sqrt(static_cast<double>(std::max<std::int64_t>(fan_in, 1))));
}

// Uniform with bound sqrt(6 / (fan_in + fan_out)), for a weight [fan_out, fan_in] (Glorot & Bengio
// 2010).
inline Tensor xavier_uniform(const Shape& shape) {
  return uniform(shape, std::sqrt(6.0 / static_cast<double>(shape[0] + shape[1])));
}

// Normal with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010).
inline Tensor xavier_normal(const Shape& shape) {
  return randn(shape, 0, std::sqrt(2.0 / static_cast<double>(shape[0] + shape[1])));
}

// Uniform with bound sqrt(6 / fan_in), or normal with variance 2 / fan_in: keeps the variance of
// what passes through a relu (He et al. 2015).
inline Tensor kaiming_uniform(const Shape& shape) {
  return uniform(shape, std::sqrt(6.0 / static_cast<double>(shape[1])));
}
inline Tensor kaiming_normal(const Shape& shape) {
  return randn(shape, 0, std::sqrt(2.0 / static_cast<double>(shape[1])));
}

// A random matrix with orthonormal rows, or columns if it has more rows than columns, times `gain`
// (Saxe, McClelland & Ganguli 2014).
Tensor orthogonal(const Shape& shape, double gain = 1);

// Normal with the given deviation and mean 0.
inline Tensor normal(const Shape& shape, double deviation) {
  return randn(shape, 0, deviation);
}

}  // namespace attune::nn::init
