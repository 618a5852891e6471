// Many blocks are computed side by side, as one vectorised loop, turned into uniform numbers, and
// those into what is asked for.

#include "autograd/kernels/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

#include "autograd/kernels/isa.h"
#include "autograd/kernels/math.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

// Elements a task handles; whole batches.
constexpr std::int64_t grain = 16 * 1024;

// The words of a block. Each is below 2^32 whatever the type: a loop over blocks is vectorised best
// in 64 bits, for that is where the products are; a single block is computed best in 32.
template <class Word>
struct Words {
  Word a, b, c, d;
};

template <class Word>
constexpr Words<Word> rounds(Words<Word> x, std::uint32_t key0, std::uint32_t key1) {
  constexpr std::uint64_t low = 0xFFFFFFFF;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = 0xD2511F53 * (x.a & low);
    const std::uint64_t product1 = 0xCD9E8D57 * (x.c & low);
    x = {static_cast<Word>((product1 >> 32) ^ x.b ^ key0), static_cast<Word>(product1 & low),
         static_cast<Word>((product0 >> 32) ^ x.d ^ key1), static_cast<Word>(product0 & low)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return x;
}

template <class Word>
constexpr Words<Word> block(std::uint64_t seed, std::uint64_t index) {
  return rounds<Word>({static_cast<Word>(index & 0xFFFFFFFF), static_cast<Word>(index >> 32), 0, 0},
                      static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
}

// Blocks are computed 16 at a time and laid down word by word: word k of block l is words[16 k +
// l].
constexpr std::size_t lanes = 16;
using Batch = std::uint32_t[4 * lanes];

void draw(Batch& words, std::uint64_t seed, std::uint64_t index) {
  for (std::size_t l = 0; l < lanes; ++l) {
    const auto [a, b, c, d] = block<std::uint64_t>(seed, index + l);
    words[l] = static_cast<std::uint32_t>(a);
    words[lanes + l] = static_cast<std::uint32_t>(b);
    words[2 * lanes + l] = static_cast<std::uint32_t>(c);
    words[3 * lanes + l] = static_cast<std::uint32_t>(d);
  }
}

// The numbers that a batch makes: one of each word, or of each two.
template <class T>
constexpr std::size_t batch_size = sizeof(Batch) / sizeof(T);

// Uniform in [0, 1).
void to_unit(float* values, const Batch& words) {
  for (std::size_t i = 0; i < batch_size<float>; ++i) {
    values[i] = static_cast<float>(static_cast<std::int32_t>(words[i] >> 8)) * 0x1p-24f;
  }
}
// As the fraction of a number in [1, 2): few machines have an instruction that converts integers of
// 64 bits.
void to_unit(double* values, const Batch& words) {
  for (std::size_t i = 0; i < batch_size<double>; ++i) {
    const std::uint64_t bits = std::uint64_t{words[batch_size<double> + i]} << 32 | words[i];
    values[i] = std::bit_cast<double>(bits >> 12 | std::bit_cast<std::uint64_t>(1.0)) - 1;
  }
}

// The distributions: each turns a batch of uniform numbers into its own.
template <class T>
struct Uniform {
  T low, high;
  void operator()(T* values) const {
    for (std::size_t i = 0; i < batch_size<T>; ++i) {
      const T value = low + (high - low) * values[i];
      values[i] = value < high ? value : low;  // the sum may have been rounded up
    }
  }
};

template <class T>
struct Bernoulli {
  T probability, value;
  void operator()(T* values) const {
    for (std::size_t i = 0; i < batch_size<T>; ++i) {
      values[i] = values[i] < probability ? value : 0;
    }
  }
};

// Polynomials for sin(2 pi t) / t and (cos(2 pi t) - 1) / t^2 in t^2, minimax for |t| <= 1/8.
template <class T>
struct Circle;
template <>
struct Circle<float> {
  static constexpr float sin[] = {6.28318548f, -41.3416634f, 81.5925522f, -75.4020691f};
  static constexpr float cos[] = {-19.7392082f, 64.9393234f, -85.4437408f, 59.2459641f};
};
template <>
struct Circle<double> {
  static constexpr double sin[] = {6.2831853071795862,  -41.341702240399634, 81.605249275948111,
                                   -76.705859704295605, 42.058685022758432,  -15.093804357734955,
                                   3.7808721110179739};
  static constexpr double cos[] = {-19.739208802178716, 64.939394022668012,  -85.456817206540052,
                                   60.244641331611582,  -26.426251140420309, 7.9031016375333367,
                                   -1.6970200709115026};
};

// Box and Muller's method: two uniform numbers are the radius and the angle of a point whose
// coordinates are independent and normal.
template <class T>
struct Normal {
  T mean, deviation;

  void operator()(T* values) const {
    constexpr std::size_t half = batch_size<T> / 2;
    for (std::size_t i = 0; i < half; ++i) {
      const T radius = deviation * std::sqrt(-2 * log(1 - values[i]));
      const auto [x, y] = point(values[half + i]);
      values[i] = mean + radius * x;
      values[half + i] = mean + radius * y;
    }
  }

 private:
  struct Point {
    T x, y;
  };

  // (cos 2 pi t, sin 2 pi t): a point within 1/8 of the x axis, which is then turned by quarters.
  static Point point(T t) {
    constexpr T rounder = T{1.5} * detail::Format<T>::two_to_fraction_bits;
    const T rounded = 4 * t + rounder;
    const auto quarters = std::bit_cast<detail::Bits<T>>(rounded);
    const T rest = t - (rounded - rounder) / 4;
    const T square = rest * rest;
    const T x = 1 + square * detail::polynomial(square, Circle<T>::cos);
    const T y = rest * detail::polynomial(square, Circle<T>::sin);
    const T half_turn = (quarters & 2) != 0 ? T{-1} : T{1};
    const bool quarter_turn = (quarters & 1) != 0;
    return {half_turn * (quarter_turn ? -y : x), half_turn * (quarter_turn ? x : y)};
  }
};

template <class T, class Distribution>
struct Fill {
  [[gnu::flatten]] static void run(T* __restrict out, std::int64_t n, Distribution distribution,
                                   std::uint64_t seed, std::uint64_t index) {
    constexpr auto size = static_cast<std::int64_t>(batch_size<T>);
    for (; n >= size; n -= size, out += size, index += lanes) {
      fill_batch(out, distribution, seed, index);
    }
    if (n == 0) return;
    T last[batch_size<T>];
    fill_batch(last, distribution, seed, index);
    std::copy_n(last, n, out);
  }

 private:
  [[gnu::flatten]] static void fill_batch(T* __restrict out, Distribution distribution,
                                          std::uint64_t seed, std::uint64_t index) {
    Batch words;
    draw(words, seed, index);
    to_unit(out, words);
    distribution(out);
  }
};

template <class T, class Distribution>
void fill(T* out, std::int64_t n, Distribution distribution, std::uint64_t seed,
          std::uint64_t offset) {
  parallel_for(n, grain, [=](std::int64_t begin, std::int64_t end) {
    const auto batches_before = static_cast<std::uint64_t>(begin) / batch_size<T>;
    vectorised<Fill<T, Distribution>>(out + begin, end - begin, distribution, seed,
                                      offset + batches_before * lanes);
  });
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
  const auto [a, b, c, d] =
      rounds<std::uint32_t>({counter[0], counter[1], counter[2], counter[3]}, key[0], key[1]);
  return {a, b, c, d};
}

std::uint64_t random_bits(std::uint64_t seed, std::uint64_t index) {
  const auto words = block<std::uint32_t>(seed, index);
  return std::uint64_t{words.b} << 32 | words.a;
}

template <class T>
void fill_uniform(T* out, std::int64_t n, T low, T high, std::uint64_t seed, std::uint64_t offset) {
  fill(out, n, Uniform<T>{low, high}, seed, offset);
}

template <class T>
void fill_normal(T* out, std::int64_t n, T mean, T deviation, std::uint64_t seed,
                 std::uint64_t offset) {
  fill(out, n, Normal<T>{mean, deviation}, seed, offset);
}

template <class T>
void fill_bernoulli(T* out, std::int64_t n, T probability, T value, std::uint64_t seed,
                    std::uint64_t offset) {
  fill(out, n, Bernoulli<T>{probability, value}, seed, offset);
}

template void fill_uniform(float*, std::int64_t, float, float, std::uint64_t, std::uint64_t);
template void fill_uniform(double*, std::int64_t, double, double, std::uint64_t, std::uint64_t);
template void fill_normal(float*, std::int64_t, float, float, std::uint64_t, std::uint64_t);
template void fill_normal(double*, std::int64_t, double, double, std::uint64_t, std::uint64_t);
template void fill_bernoulli(float*, std::int64_t, float, float, std::uint64_t, std::uint64_t);
template void fill_bernoulli(double*, std::int64_t, double, double, std::uint64_t, std::uint64_t);

}  // namespace attune
