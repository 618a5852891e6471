#pragma once
// Where a step stands in its sequence, for attention, which by itself does not know.

#include <cstdint>

#include "autograd/tensor.h"

namespace attune::nn {

// [time, features]: sin(t / 10000^(2 i / features)) at feature 2 i and the cosine at 2 i + 1, for
// the steps t from `first` on (Vaswani et al. 2017). To be added to embeddings.
Tensor sinusoidal_positions(std::int64_t time, std::int64_t features, std::int64_t first = 0,
                            DType dtype = DType::float32);

// x [.., time, features] with feature pairs (i, i + features / 2) of step t turned by the angle
// t / 10000^(2 i / features) (Su et al. 2021): the dot product of two turned vectors depends on how
// far apart they stand. `features` is even.
Tensor rotary(const Tensor& x, std::int64_t first = 0);

}  // namespace attune::nn
