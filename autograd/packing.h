#pragma once
// What is computed from weights and kept with their elements for as long as these stay as they are:
// above all matrices in the order in which products read them (kernels/packed.h), for a decoder
// multiplies by the same weights at every step.

#include <functional>
#include <memory>
#include <typeindex>

#include "autograd/kernels/packed.h"
#include "autograd/tensor.h"

namespace attune {

namespace detail {
std::shared_ptr<void> kept(const Tensor& x, std::type_index type,
                           const std::function<std::shared_ptr<void>()>& make);
}  // namespace detail

// What `make()`, a shared_ptr<Made>, says of the elements of x. Where nothing is recorded it is
// kept with them until one changes, and so must not hold x: one Made for each view of a storage.
// `make` asks for nothing that is kept.
template <class Made, class F>
std::shared_ptr<const Made> kept_with(const Tensor& x, const F& make) {
  if (grad_enabled()) return make();
  return std::static_pointer_cast<const Made>(detail::kept(x, typeid(Made), make));
}

// A matrix that packing can read: this one, or a copy of it if neither its rows nor its columns lie
// without gaps.
Tensor packable(const Tensor& matrix);

// The matrix [k, n], packable, which must outlive what is returned. Where nothing is recorded it is
// found again by the next call, until an element changes; a training step, which changes all,
// leaves nothing behind.
template <class T>
std::shared_ptr<const PackedMatrix<T>> packed(const Tensor& matrix);

// The same for a float32 matrix that is asked for a second time without having changed; null the
// first time, and where something is recorded: what is multiplied by once is not worth keeping.
std::shared_ptr<const PackedMatrix<float>> packed_if_reused(const Tensor& matrix);

}  // namespace attune
