#pragma once
// Layer normalisation and root-mean-square normalisation of rows of contiguous memory. Shapes are
// in elements; n is the number of features.

#include <cstdint>

namespace attune {

// y = (x - mean) scale weight + bias, scale = 1 / sqrt(mean (x - mean)^2 + eps). Where the rows are
// not centred, the mean is taken for 0. mean and scale are kept for the backward pass.
template <class T>
struct NormForward {
  std::int64_t rows;
  std::int64_t features;
  bool centred;
  double eps;
  const T* x;       // [rows, n]
  const T* weight;  // [n], or null for 1
  const T* bias;    // [n], or null for 0
  T* mean;          // [rows]
  T* scale;         // [rows]
  T* y;             // [rows, n]
};
template <class T>
void norm_forward(const NormForward<T>& norm);

// From the gradient g of y the gradients of the inputs; null where none is wanted.
template <class T>
struct NormBackward {
  std::int64_t rows;
  std::int64_t features;
  bool centred;
  const T* g;       // [rows, n]
  const T* x;       // [rows, n]
  const T* weight;  // [n], or null for 1
  const T* mean;    // [rows]
  const T* scale;   // [rows]
  T* by_x;          // [rows, n]
  T* by_weight;     // [n]
  T* by_bias;       // [n]
};
template <class T>
void norm_backward(const NormBackward<T>& norm);

}  // namespace attune
