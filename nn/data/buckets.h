#pragma once
// Batches of sequences of similar length, so that little of a padded batch is padding.

#include <cstddef>
#include <span>
#include <vector>

#include "autograd/random.h"

namespace attune::data {

// One epoch: the indices of all examples in random order, each exactly once, in batches of
// `batch_size` (one may be smaller). Example i has source_lengths[i] and target_lengths[i] tokens.
//
// The shuffled examples are cut into pools of `pool_batches` batches and sorted by length inside
// their pool only, so that similar lengths meet and yet no two epochs have the same batches; the
// batches are then shuffled. Equal generators give equal epochs on every machine. Throws Error if
// the numbers of lengths differ, or for a batch or pool of size 0.
std::vector<std::vector<std::size_t>> shuffled_batches(std::span<const std::size_t> source_lengths,
                                                       std::span<const std::size_t> target_lengths,
                                                       std::size_t batch_size, Generator& generator,
                                                       std::size_t pool_batches = 50);

}  // namespace attune::data
