#include "autograd/kernels/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

constexpr std::int64_t grain = 16 * 1024;

struct Words {
  std::uint32_t a, b, c, d;
};

inline Words rounds(Words x, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * x.a;
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * x.c;
    x = {static_cast<std::uint32_t>(product1 >> 32) ^ x.b ^ key0,
         static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ x.d ^ key1,
         static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return x;
}

inline std::uint64_t bits_of(std::uint64_t seed, std::uint64_t index) {
  const Words x =
      rounds({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), 0, 0},
             static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  return std::uint64_t{x.b} << 32 | x.a;
}

template <class T>
struct Uniform {
  static void run(T* out, std::int64_t n, T low, T range, std::uint64_t seed,
                  std::uint64_t offset) {
    // As many bits as the mantissa holds, so that the result stays below 1.
    constexpr int bits = sizeof(T) == 4 ? 24 : 53;
    constexpr T unit = T{1} / static_cast<T>(std::uint64_t{1} << bits);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint64_t word = bits_of(seed, offset + static_cast<std::uint64_t>(i));
      out[i] =
          low + range * (static_cast<T>(static_cast<std::int64_t>(word >> (64 - bits))) * unit);
    }
  }
};

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  const Words x = rounds({counter[0], counter[1], counter[2], counter[3]}, key[0], key[1]);
  return {x.a, x.b, x.c, x.d};
}

std::uint64_t random_bits(std::uint64_t seed, std::uint64_t index) {
  return bits_of(seed, index);
}

template <class T>
void fill_uniform(T* out, std::int64_t n, T low, T high, std::uint64_t seed, std::uint64_t offset) {
  parallel_for(n, grain, [=](std::int64_t begin, std::int64_t end) {
    vectorised<Uniform<T>>(out + begin, end - begin, low, high - low, seed,
                           offset + static_cast<std::uint64_t>(begin));
  });
}

template <class T>
void fill_normal(T* out, std::int64_t n, T mean, T deviation, std::uint64_t seed,
                 std::uint64_t offset) {
  parallel_for(n, grain, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t word = bits_of(seed, offset + static_cast<std::uint64_t>(i));
      // Above 0, for its logarithm.
      const double radius = (static_cast<double>(word >> 32) + 1) * 0x1p-32;
      const double angle = static_cast<double>(word & 0xFFFFFFFF) * 0x1p-32;
      const double normal =
          std::sqrt(-2 * std::log(radius)) * std::cos(2 * std::numbers::pi * angle);
      out[i] = mean + deviation * static_cast<T>(normal);
    }
  });
}

template void fill_uniform(float*, std::int64_t, float, float, std::uint64_t, std::uint64_t);
template void fill_uniform(double*, std::int64_t, double, double, std::uint64_t, std::uint64_t);
template void fill_normal(float*, std::int64_t, float, float, std::uint64_t, std::uint64_t);
template void fill_normal(double*, std::int64_t, double, double, std::uint64_t, std::uint64_t);

}  // namespace attune
