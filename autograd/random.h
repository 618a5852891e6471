#pragma once
// Random numbers from a counter: number i of a seed is a function of the two alone. So a tensor is
// filled by many threads with the same bits as by one, and the state of a generator is two
// integers.

#include <cstdint>
#include <span>
#include <utility>

namespace attune {

class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0, std::uint64_t offset = 0)
      : seed_(seed), offset_(offset) {}

  // All there is to save: Generator(seed(), offset()) goes on where this one stands.
  std::uint64_t seed() const { return seed_; }
  std::uint64_t offset() const { return offset_; }

  // Sets `count` numbers apart for a caller that draws them itself; the offset of the first.
  std::uint64_t reserve(std::uint64_t count);

  std::uint64_t bits();                      // 64 random bits
  double uniform();                          // in [0, 1)
  std::uint64_t below(std::uint64_t bound);  // 0 .. bound - 1, all equally likely; bound is not 0

 private:
  std::uint64_t seed_;
  std::uint64_t offset_;
};

// Puts the elements in an order drawn from the generator (Fisher & Yates).
template <class T>
void shuffle(std::span<T> elements, Generator& generator) {
  for (std::size_t i = elements.size(); i > 1; --i) {
    std::swap(elements[i - 1], elements[generator.below(i)]);
  }
}

// The generator that rand(), randn(), initial parameters and dropout draw from: one a thread,
// seeded with 0 until manual_seed() is called.
Generator& default_generator();
void manual_seed(std::uint64_t seed);

}  // namespace attune
