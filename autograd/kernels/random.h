#pragma once
// Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"):
// ten rounds of multiplications that turn a counter into four random words.

#include <array>
#include <cstdint>

namespace attune {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// 64 random bits: number `index` of that seed.
std::uint64_t random_bits(std::uint64_t seed, std::uint64_t index);

// out[i] is drawn from number offset + i of the seed: uniform in [low, high), or normal by the
// method of Box & Muller (1958).
template <class T>
void fill_uniform(T* out, std::int64_t n, T low, T high, std::uint64_t seed, std::uint64_t offset);
template <class T>
void fill_normal(T* out, std::int64_t n, T mean, T deviation, std::uint64_t seed,
                 std::uint64_t offset);

}  // namespace attune
