#pragma once
// Matrices in the order in which products read them (kernels/packed.h), kept with their elements
// for as long as these stay as they are: a decoder multiplies by the same weights at every step.

#include <memory>

#include "autograd/kernels/packed.h"
#include "autograd/tensor.h"

namespace attune {

// A matrix that packing can read: this one, or a copy of it if neither its rows nor its columns lie
// without gaps.
Tensor packable(const Tensor& matrix);

// The matrix [k, n], packable, which must outlive what is returned. Where nothing is recorded it is
// found again by the next call, until an element changes; a training step, which changes all,
// leaves nothing behind.
template <class T>
std::shared_ptr<const PackedMatrix<T>> packed(const Tensor& matrix);

// The same for a float32 matrix that is asked for a second time without having changed; null the
// first time, and where something is recorded: to multiply by it once, packing does not pay.
std::shared_ptr<const PackedMatrix<float>> packed_if_reused(const Tensor& matrix);

}  // namespace attune
