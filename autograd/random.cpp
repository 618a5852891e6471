#include "autograd/random.h"

#include <fmt/format.h>

#include "autograd/kernels/random.h"
#include "autograd/tensor.h"

namespace attune {

std::uint64_t Generator::reserve(std::uint64_t count) {
  return std::exchange(offset_, offset_ + count);
}

std::uint64_t Generator::bits() {
  return random_bits(seed_, reserve(1));
}

double Generator::uniform() {
  return static_cast<double>(bits() >> 11) * 0x1p-53;
}

// Draws again in the last, incomplete run of `bound` numbers, which would favour the small ones.
std::uint64_t Generator::below(std::uint64_t bound) {
  const std::uint64_t complete = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t drawn = bits();
  while (drawn >= complete) drawn = bits();
  return drawn % bound;
}

Generator& default_generator() {
  thread_local Generator generator;
  return generator;
}

void manual_seed(std::uint64_t seed) {
  default_generator() = Generator(seed);
}

namespace {

template <class Fill>
Tensor filled(const char* op, const Shape& shape, DType dtype, const Site& site, Fill fill) {
  if (!is_floating(dtype)) {
    misuse(op, site, fmt::format("random numbers are float32 or float64, not {}", name(dtype)),
           "Convert them with to().");
  }
  Tensor result = empty(shape, dtype, site);
  Generator& generator = default_generator();
  const std::uint64_t offset = generator.reserve(static_cast<std::uint64_t>(result.numel()));
  dispatch_floating(
      dtype, [&]<class T>(T) { fill(result.raw<T>(), result.numel(), generator.seed(), offset); });
  return result;
}

}  // namespace

Tensor rand(const Shape& shape, double low, double high, DType dtype, Site site) {
  return filled("rand", shape, dtype, site, [&]<class T>(T* out, auto n, auto seed, auto offset) {
    fill_uniform(out, n, static_cast<T>(low), static_cast<T>(high), seed, offset);
  });
}

Tensor randn(const Shape& shape, double mean, double deviation, DType dtype, Site site) {
  return filled("randn", shape, dtype, site, [&]<class T>(T* out, auto n, auto seed, auto offset) {
    fill_normal(out, n, static_cast<T>(mean), static_cast<T>(deviation), seed, offset);
  });
}

}  // namespace attune
