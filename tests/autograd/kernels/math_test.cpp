// Holds every function against the standard library's in long double: the error in units in the
// last place, the special values, and that the vectorised loops agree with the scalar functions on
// both.

#include "autograd/kernels/math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "autograd/kernels/isa.h"

namespace attune {
namespace {

// |value - exact| in units of the last place of the correctly rounded result; 0 if both are NaN or
// the same infinity.
template <class T>
double ulps(T value, long double exact) {
  using Limits = std::numeric_limits<T>;
  const T rounded = static_cast<T>(exact);
  if (std::isnan(rounded) || std::isinf(rounded) || !std::isfinite(value)) {
    const bool same = value == rounded || (std::isnan(value) && std::isnan(rounded));
    return same ? 0 : std::numeric_limits<double>::infinity();
  }
  const int exponent = std::ilogb(std::max(std::fabs(rounded), Limits::min()));
  const long double unit = std::ldexp(1.0L, exponent - (Limits::digits - 1));
  return static_cast<double>(std::fabs(static_cast<long double>(value) - exact) / unit);
}

template <class T, class F>
struct Apply {
  static void run(F f, T* __restrict out, const T* __restrict in, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(in[i]);
  }
};

// Arguments of every magnitude, many in low .. high and close to 0 and 1, where results are small.
template <class T>
std::vector<T> arguments(T low, T high) {
  std::mt19937_64 random(20110524);
  std::uniform_real_distribution<T> within(low, high);
  std::uniform_real_distribution<T> fraction(-1, 1);
  std::uniform_int_distribution<int> exponent(-60, 0);
  std::vector<T> result;
  for (int i = 0; i < 10'000; ++i) {
    result.push_back(within(random));
    result.push_back(std::ldexp(fraction(random), exponent(random)));
    result.push_back(1 + std::ldexp(fraction(random), exponent(random)));
    result.push_back(std::bit_cast<T>(static_cast<detail::Bits<T>>(random())));
  }
  using Limits = std::numeric_limits<T>;
  for (const T x : {T{0}, T{1}, low, high, Limits::infinity(), Limits::quiet_NaN(), Limits::max(),
                    Limits::min(), Limits::denorm_min(), Limits::epsilon()}) {
    result.insert(result.end(), {x, -x});
  }
  return result;
}

// f(in[i]), called for single numbers and in loops over the vectors of this machine.
template <class T, class F>
std::vector<std::vector<T>> evaluations(F f, const std::vector<T>& in) {
  const auto n = static_cast<std::int64_t>(in.size());
  std::vector<std::vector<T>> results(2, std::vector<T>(in.size()));
  Apply<T, F>::run(f, results[0].data(), in.data(), n);
  vectorised<Apply<T, F>>(f, results[1].data(), in.data(), n);
#if defined(__x86_64__)
  if (isa() == Isa::avx512) {
    results.emplace_back(in.size());
    run_avx2<Apply<T, F>>(f, results[2].data(), in.data(), n);
  }
#endif
  return results;
}

template <class T, class F, class Exact>
void check_error(const char* name, double limit, T low, T high, F f, Exact exact) {
  const std::vector<T> in = arguments(low, high);
  double worst = 0;
  T worst_at = 0;
  bool signs_right = true;
  for (const std::vector<T>& out : evaluations(f, in)) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const long double expected = exact(static_cast<long double>(in[i]));
      const double error = ulps(out[i], expected);
      if (error > worst) {
        worst = error;
        worst_at = in[i];
      }
      signs_right &= std::isnan(expected) || std::signbit(out[i]) == std::signbit(expected);
    }
  }
  INFO(name, " errs most at ", worst_at);
  CHECK(worst < limit);
  CHECK(signs_right);
}

TEST_CASE_TEMPLATE("the error of the elementwise functions is a few ulp", T, float, double) {
  const T range = sizeof(T) == 4 ? 104 : 746;  // of arguments of exp
  check_error<T>(
      "exp", 1.1, -2 * range, range, [](T x) { return exp(x); },
      [](long double x) { return std::exp(x); });
  check_error<T>(
      "expm1", 2.1, -40, 40, [](T x) { return expm1(x); },
      [](long double x) { return std::expm1(x); });
  check_error<T>(
      "log", 1.1, 0, 1000, [](T x) { return log(x); }, [](long double x) { return std::log(x); });
  check_error<T>(
      "log1p", 1.1, -1, 10, [](T x) { return log1p(x); },
      [](long double x) { return std::log1p(x); });
  check_error<T>(
      "tanh", 4.5, -20, 20, [](T x) { return tanh(x); },
      [](long double x) { return std::tanh(x); });
  check_error<T>(
      "sigmoid", 2.6, -range, 40, [](T x) { return sigmoid(x); },
      [](long double x) { return 1 / (1 + std::exp(-x)); });
  check_error<T>(
      "erf", 2.6, -7, 7, [](T x) { return erf(x); }, [](long double x) { return std::erf(x); });
}

TEST_CASE_TEMPLATE("functions at the ends of their domains", T, float, double) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  CHECK(exp(-infinity) == 0);
  CHECK(exp(infinity) == infinity);
  CHECK(exp(T{0}) == 1);
  CHECK(expm1(-infinity) == -1);
  CHECK(log(T{0}) == -infinity);
  CHECK(log(-T{0}) == -infinity);
  CHECK(std::isnan(log(T{-1})));
  CHECK(log(infinity) == infinity);
  CHECK(log(T{1}) == 0);
  CHECK(log1p(T{-1}) == -infinity);
  CHECK(std::isnan(log1p(T{-2})));
  CHECK(tanh(infinity) == 1);
  CHECK(sigmoid(-infinity) == 0);
  CHECK(sigmoid(infinity) == 1);
  CHECK(sigmoid(T{0}) == T{0.5});
  CHECK(erf(-infinity) == -1);
}

TEST_CASE_TEMPLATE("tanh is never above 1, and reaches it", T, float, double) {
  std::vector<T> in;
  for (T x = 4; x < 24; x += T{1} / 8192) in.push_back(x);
  for (const std::vector<T>& out : evaluations([](T x) { return tanh(x); }, in)) {
    CHECK(*std::max_element(out.begin(), out.end()) == 1);
    CHECK(out.back() == 1);
  }
}

TEST_CASE_TEMPLATE("maximum and minimum pass NaN on", T, float, double) {
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(maximum(T{1}, T{2}) == 2);
  CHECK(maximum(T{2}, T{1}) == 2);
  CHECK(minimum(T{1}, T{2}) == 1);
  CHECK(minimum(T{2}, T{1}) == 1);
  for (const T x : {T{1}, nan}) {
    CHECK(std::isnan(maximum(x, nan)));
    CHECK(std::isnan(maximum(nan, x)));
    CHECK(std::isnan(minimum(x, nan)));
    CHECK(std::isnan(minimum(nan, x)));
  }
}

TEST_CASE("where selects") {
  CHECK(where(true, 1.0f, 2.0f) == 1.0f);
  CHECK(where(false, std::int64_t{1}, std::int64_t{2}) == 2);
}

// A formula over float must stay float: a silent detour through double would halve its speed.
TEST_CASE_TEMPLATE("results have the type of the argument", T, float, double) {
  const auto keeps = [](auto f) { return std::is_same_v<decltype(f(T{1})), T>; };
  CHECK(keeps([](auto x) { return exp(x); }));
  CHECK(keeps([](auto x) { return expm1(x); }));
  CHECK(keeps([](auto x) { return log(x); }));
  CHECK(keeps([](auto x) { return log1p(x); }));
  CHECK(keeps([](auto x) { return tanh(x); }));
  CHECK(keeps([](auto x) { return sigmoid(x); }));
  CHECK(keeps([](auto x) { return erf(x); }));
  CHECK(keeps([](auto x) { return pow(x, 2); }));
  CHECK(keeps([](auto x) { return sqrt(x); }));
  CHECK(keeps([](auto x) { return abs(x); }));
  CHECK(keeps([](auto x) { return sin(x); }));
  CHECK(keeps([](auto x) { return cos(x); }));
  CHECK(keeps([](auto x) { return 1 - x * where(x > 0, x, -x) / 2; }));
}

}  // namespace
}  // namespace attune
