#pragma once
// Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"):
// ten rounds of multiplications that turn a counter into four random words, and arrays filled from
// them. Nothing here has a state, so the numbers do not depend on the order they are drawn in.

#include <array>
#include <cstdint>

namespace attune {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// 64 random bits: the first half of block number `index` of that seed, which is what Philox makes
// of the number with the seed as its key.
std::uint64_t random_bits(std::uint64_t seed, std::uint64_t index);

// A fill of n numbers uses blocks offset .. offset + n - 1 of the seed at most; out[i] depends on
// the seed, the offset and i alone.

// Uniform in [low, high), in steps of 2^-24 (float) or 2^-52 (double) of the interval.
template <class T>
void fill_uniform(T* out, std::int64_t n, T low, T high, std::uint64_t seed, std::uint64_t offset);

// Normal, by the method of Box and Muller (1958).
template <class T>
void fill_normal(T* out, std::int64_t n, T mean, T deviation, std::uint64_t seed,
                 std::uint64_t offset);

// `value` with that probability, in the steps of fill_uniform, else 0: the mask of dropout.
template <class T>
void fill_bernoulli(T* out, std::int64_t n, T probability, T value, std::uint64_t seed,
                    std::uint64_t offset);

}  // namespace attune
