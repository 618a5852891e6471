#pragma once
// The functions that elementwise formulas are made of, over scalars. They have no branches and call
// nothing, so that the loop over a formula is vectorised whole, for every instruction set.
//
// The methods are the classical ones (W. J. Cody and W. Waite, Software Manual for the Elementary
// Functions, 1980; J.-M. Muller, Elementary Functions, 2016): reduce the argument to a short
// interval, evaluate a polynomial there, undo the reduction. The polynomials are minimax
// approximations, computed with Remez's exchange algorithm. The errors are given in units in the
// last place (ulp); they hold with and without fused multiply-add, but not with -ffast-math.

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

namespace attune {

// The types these functions are for. Tensors have functions of the same names (autograd/ops.h).
template <class T>
concept Real = std::same_as<T, float> || std::same_as<T, double>;

namespace detail {

// What a function must know of a floating-point format, and its polynomials, lowest power first.
template <class T>
struct Format;

template <>
struct Format<float> {
  using Bits = std::uint32_t;
  static constexpr int fraction_bits = 23;
  static constexpr Bits bias = 127;
  static constexpr float two_to_fraction_bits = 0x1p23f;
  static constexpr float sqrt_half = 0x1.6a09e6p-1f;

  // ln 2 in two parts; the first has so few digits that an exponent times it is exact.
  static constexpr float ln2_high = 0x1.62e8p-1f;
  static constexpr float ln2_low = -2.90889711e-05f;

  // Beyond these e^x is 0, or infinite; e^x - 1 is -1 and e^x + 1 is 1; tanh x and erf x are 1.
  static constexpr float exp_lowest = -106;
  static constexpr float exp_highest = 89;
  static constexpr float expm1_lowest = -18;
  static constexpr float tanh_highest = 9.3f;
  static constexpr float erf_highest = 4;

  // (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2.
  static constexpr float exp[] = {0.5f,           0.166666672f,   0.041666355f,
                                  0.00833327323f, 0.00139411003f, 0.000199142989f};
  // (2 artanh(s) - 2 s) / (s z), z = s^2, for |s| <= 3 - sqrt 8.
  static constexpr float log[] = {0.666666627f, 0.400003374f, 0.285372406f, 0.235835359f};
  // tanh(x / 2) = x (1 + z P) / (2 (1 + z Q)), z = x^2, for x <= tanh_highest: the error is least
  // where the most of it, 1 / cosh x, is passed on to tanh x.
  static constexpr float tanh_p[] = {0.0297386907f, 0.000113490554f};
  static constexpr float tanh_q[] = {0.113071978f, 0.00120286609f, 1.21283836e-06f};
  // -log(1 - erf(x)) / x - 1 for 0 <= x <= erf_highest.
  static constexpr float erf[] = {0.128379166f,     0.636619389f,     0.102777831f,
                                  -0.0191530641f,   -0.000160394891f, 0.00166702596f,
                                  -0.000632835901f, 0.000117640971f,  -9.25622771e-06f};
};

template <>
struct Format<double> {
  using Bits = std::uint64_t;
  static constexpr int fraction_bits = 52;
  static constexpr Bits bias = 1023;
  static constexpr double two_to_fraction_bits = 0x1p52;
  static constexpr double sqrt_half = 0x1.6a09e667f3bcdp-1;

  static constexpr double ln2_high = 0x1.62e42fefa3p-1;
  static constexpr double ln2_low = 0x1.3de6af278ece6p-42;

  static constexpr double exp_lowest = -748;
  static constexpr double exp_highest = 710;
  static constexpr double expm1_lowest = -38;
  static constexpr double tanh_highest = 19.5;
  static constexpr double erf_highest = 5.95;

  static constexpr double exp[] = {0.5,
                                   0.16666666666666677,
                                   0.041666666666666699,
                                   0.0083333333333215336,
                                   0.0013888888888866687,
                                   0.0001984126988639571,
                                   2.4801587360859787e-05,
                                   2.7557243917864292e-06,
                                   2.7557242496021717e-07,
                                   2.5109144989588142e-08,
                                   2.0924525828602703e-09};
  static constexpr double log[] = {0.66666666666667351, 0.39999999999411179, 0.28571428743242133,
                                   0.22222198478267316, 0.18183569612815209, 0.153139067005123,
                                   0.14797471196723616};
  static constexpr double tanh_p[] = {0.036482626851539836,   0.0003195420045986321,
                                      9.8233582518121988e-07, 1.1265574911003563e-09,
                                      4.0531306596095914e-13, 2.0452360738265988e-17};
  static constexpr double tanh_q[] = {0.11981596018487316,    0.001970872020004752,
                                      1.0009304205588854e-05, 1.8896032951847229e-08,
                                      1.2650181908014801e-11, 2.0740894625087976e-15};
  static constexpr double erf[] = {
      0.1283791670955125,      0.63661977236761158,     0.1027726033000589,
      -0.019128446963044062,   -0.00020919523048503226, 0.0016962105308948371,
      -0.00059014681614493586, 2.5955213747316238e-05,  6.4289999957306107e-05,
      -2.9323523808293832e-05, 2.7958457304195639e-06,  3.5647035207613191e-06,
      -2.4298119194787521e-06, 8.5372337046634166e-07,  -1.7409673072549171e-07,
      8.3716805489599382e-09,  7.7826446794498013e-09,  -3.1532483375442882e-09,
      6.8113053898766352e-10,  -9.5488467559337267e-11, 8.7217250575686241e-12,
      -4.755284195246512e-13,  1.1801220468589744e-14};
};

template <class T>
using Bits = typename Format<T>::Bits;

// Horner's rule, without a loop, which the vectoriser would have to unroll first.
template <class T, std::size_t size, std::size_t... I>
T horner(T x, const T (&c)[size], std::index_sequence<I...>) {
  T value = c[size - 1];
  ((value = value * x + c[size - 2 - I]), ...);
  return value;
}
template <class T, std::size_t size>
T polynomial(T x, const T (&coefficients)[size]) {
  return horner(x, coefficients, std::make_index_sequence<size - 1>());
}

// The same in x^2 over the pairs c0 + c1 x, c2 + c3 x, ...: of many steps only half wait for each
// other.
template <class T, std::size_t size, std::size_t... I>
T horner_of_pairs(T x, const T (&c)[size], std::index_sequence<I...>) {
  constexpr std::size_t last = (size - 1) / 2;
  const T square = x * x;
  T value = c[2 * last];
  if constexpr (size % 2 == 0) value += c[size - 1] * x;
  ((value = value * square + (c[2 * (last - 1 - I)] + c[2 * (last - 1 - I) + 1] * x)), ...);
  return value;
}
template <class T, std::size_t size>
T long_polynomial(T x, const T (&coefficients)[size]) {
  return horner_of_pairs(x, coefficients, std::make_index_sequence<(size - 1) / 2>());
}

// 2^(biased - bias). What stands above the exponent's bits is shifted out.
template <class T>
constexpr T power_of_two(Bits<T> biased) {
  return std::bit_cast<T>(biased << Format<T>::fraction_bits);
}

// x = n ln 2 + r with |r| <= ln 2 / 2.
template <class T>
struct ExpParts {
  Bits<T> exponent;  // n + offset, in its lowest bits
  T expm1_r;
};

// The sum x + 1.5 * 2^fraction_bits has no room for a fraction: it rounds x to an integer, which
// then stands in its lowest bits. The exponents of the arguments here are far below. An offset, at
// least 0, is added to n on the way and costs nothing.
template <class T>
ExpParts<T> exp_parts(T x, Bits<T> offset) {
  using F = Format<T>;
  constexpr T log2_e = static_cast<T>(1.44269504088896340736);
  const T rounder = T{1.5} * F::two_to_fraction_bits + static_cast<T>(offset);
  const T rounded = x * log2_e + rounder;
  const T n = rounded - rounder;
  const T r = (x - n * F::ln2_high) - n * F::ln2_low;
  return {std::bit_cast<Bits<T>>(rounded), r + r * r * long_polynomial(r, F::exp)};
}

// e^x - 1 for expm1_lowest <= x <= exp_highest. At the upper end 2^n would overflow; half of it
// does not.
template <class T>
T expm1_within(T x) {
  const ExpParts<T> parts = exp_parts(x, Format<T>::bias - 1);
  const T half_scale = power_of_two<T>(parts.exponent);
  return 2 * (half_scale * parts.expm1_r + (half_scale - T{0.5}));
}

// x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2).
template <class T>
struct LogParts {
  T k;
  T f;
};

// For positive, normal, finite x. Subtracting sqrt(1/2) from the bits, as integers, makes the
// exponent field count from there.
template <class T>
LogParts<T> log_parts(T x) {
  using F = Format<T>;
  constexpr Bits<T> base = std::bit_cast<Bits<T>>(F::sqrt_half);
  constexpr Bits<T> fraction = (Bits<T>{1} << F::fraction_bits) - 1;
  const Bits<T> bits = std::bit_cast<Bits<T>>(x) - base + (F::bias << F::fraction_bits);
  // An integer in the fraction of 2^fraction_bits is that integer added to it.
  const T biased_k = std::bit_cast<T>((bits >> F::fraction_bits) |
                                      std::bit_cast<Bits<T>>(F::two_to_fraction_bits));
  return {biased_k - (F::two_to_fraction_bits + F::bias),
          std::bit_cast<T>((bits & fraction) + base) - 1};
}

// k ln 2 + log(1 + f) + rest, where `rest` is tiny: log(1 + f) = 2 artanh(s) with s = f / (2 + f),
// summed so that the largest term, f, comes last.
template <class T>
T log_sum(T k, T f, T rest) {
  using F = Format<T>;
  const T s = f / (2 + f);
  const T z = s * s;
  const T half_square = f * f / 2;
  const T tail = s * (half_square + z * polynomial(z, F::log)) + (k * F::ln2_low + rest);
  return k * F::ln2_high + (f - (half_square - tail));
}

// The value of log at 0, below, and at infinity, where `value` is not to be used; NaN stays NaN.
template <class T>
T log_limits(T x, T value) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  value = x < infinity ? value : x;
  value = x < 0 ? std::numeric_limits<T>::quiet_NaN() : value;
  return x == 0 ? -infinity : value;
}

}  // namespace detail

// `a` if the condition holds, else `b`.
template <class T>
requires std::is_arithmetic_v<T> T where(bool condition, T a, T b) {
  return condition ? a : b;
}

// The larger, or NaN if either is.
template <Real T>
T maximum(T a, T b) {
  return a > b || a != a ? a : b;
}

// The smaller, or NaN if either is.
template <Real T>
T minimum(T a, T b) {
  return a < b || a != a ? a : b;
}

using std::abs;
using std::cos;
using std::sin;
using std::sqrt;

// x^exponent, by the standard library and therefore slowly.
template <Real T>
T pow(T x, std::type_identity_t<T> exponent) {
  return std::pow(x, exponent);
}

// e^x, to 1 ulp. Subnormal results are rounded like any other, and take several times as long, as
// do those a little below them.
template <Real T>
T exp(T x) {
  using F = detail::Format<T>;
  // At this argument n + 2 bias is 0, so that both factors below are: a result of 0 without the
  // cost of an underflow, for masked scores, which are -inf, are many.
  constexpr T lowest = static_cast<T>(-0.69314718055994531 * (2 * F::bias));
  x = x < lowest ? lowest : x;
  x = x > F::exp_highest ? F::exp_highest : x;
  const detail::ExpParts<T> parts = detail::exp_parts(x, 2 * F::bias);
  // 2^n alone could overflow or be subnormal, so it is multiplied in two halves.
  const detail::Bits<T> first = parts.exponent >> 1;
  const detail::Bits<T> second = parts.exponent - first;
  return (1 + parts.expm1_r) * detail::power_of_two<T>(first) * detail::power_of_two<T>(second);
}

// e^x - 1, to 2 ulp.
template <Real T>
T expm1(T x) {
  using F = detail::Format<T>;
  T within = x < F::expm1_lowest ? F::expm1_lowest : x;
  within = within > F::exp_highest ? F::exp_highest : within;
  const T value = detail::expm1_within(within);
  return std::abs(x) < std::numeric_limits<T>::epsilon() / 2 ? x : value;
}

// The natural logarithm, to 1 ulp.
template <Real T>
T log(T x) {
  using F = detail::Format<T>;
  const bool subnormal = x < std::numeric_limits<T>::min();
  const auto [k, f] = detail::log_parts(subnormal ? x * F::two_to_fraction_bits : x);
  const T exponent = subnormal ? k - F::fraction_bits : k;
  return detail::log_limits(x, detail::log_sum(exponent, f, T{0}));
}

// log(1 + x), to 1 ulp. What is lost when 1 + x is rounded, is added afterwards to first order.
template <Real T>
T log1p(T x) {
  const T sum = 1 + x;
  const T lost = x - (sum - 1);
  const auto [k, f] = detail::log_parts(sum);
  const T value = detail::log_limits(sum, detail::log_sum(k, f, lost / sum));
  return std::copysign(value, x);
}

// To 4.5 ulp, from t = tanh(x/2) = p / 2q as 2t / (1 + t^2) = pq / (pq + (q - p/2)^2). That is
// never above 1, and where it comes close, errors of p and q hardly reach it. Far fewer operations
// than e^2x takes.
template <Real T>
T tanh(T x) {
  using F = detail::Format<T>;
  const T size = std::abs(x) > F::tanh_highest ? F::tanh_highest : std::abs(x);
  const T z = size * size;
  const T p = size + size * (z * detail::polynomial(z, F::tanh_p));
  const T q_minus_1 = z * detail::polynomial(z, F::tanh_q);
  const T pq = p + p * q_minus_1;
  const T rest = 1 - (p / 2 - q_minus_1);
  return std::copysign(pq / (pq + rest * rest), x);
}

// 1 / (1 + e^-x), to 2.5 ulp, as s / (s + s e^-x) with an s so small that s e^-x does not overflow
// where the result is subnormal.
template <Real T>
T sigmoid(T x) {
  using F = detail::Format<T>;
  constexpr detail::Bits<T> biased_s = F::bias - F::fraction_bits - 4;
  constexpr T s = detail::power_of_two<T>(biased_s);
  T minus_x = -x < F::expm1_lowest ? F::expm1_lowest : -x;
  minus_x = minus_x > -F::exp_lowest ? -F::exp_lowest : minus_x;
  const detail::ExpParts<T> parts = detail::exp_parts(minus_x, biased_s);
  const T scale = detail::power_of_two<T>(parts.exponent);
  return s / (scale * parts.expm1_r + (scale + s));
}

// (2 / sqrt(pi)) int_0^x e^(-t^2) dt, to 2.5 ulp, as 1 - e^(-x q(x)) with a polynomial q: log(1 -
// erf(x)) is smooth where erf itself is flat, and expm1 keeps the relative error small near 0.
template <Real T>
T erf(T x) {
  using F = detail::Format<T>;
  const T size = std::abs(x) > F::erf_highest ? F::erf_highest : std::abs(x);
  const T exponent = size + size * detail::long_polynomial(size, F::erf);
  return std::copysign(detail::expm1_within(-exponent), x);
}

}  // namespace attune
