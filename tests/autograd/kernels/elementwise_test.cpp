// Loops over formulas at lengths around those at which they are cut into blocks and shared out, and
// over views, against one element after the other.

#include "autograd/kernels/elementwise.h"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "autograd/ops.h"

namespace attune {
namespace {

template <class T>
std::vector<T> numbers(std::size_t n) {
  std::vector<T> result(n);
  for (std::size_t i = 0; i < n; ++i) result[i] = static_cast<T>(i % 2003) - 1000;
  return result;
}

template <class T>
ElementInput input_of(const std::vector<T>& data, const Strides& strides, bool contiguous) {
  return {reinterpret_cast<const std::byte*>(data.data()), &strides, sizeof(T), contiguous};
}

// run(out) sets out[i] = formula(in[i]...), and leaves what stands behind the end of `out`.
template <class Out, class Run, class F, class... In>
void check_elements(std::size_t n, const Run& run, const F& formula, const std::vector<In>&... in) {
  constexpr auto behind = static_cast<Out>(77);
  std::vector<Out> out(n + 1, behind);
  run(reinterpret_cast<std::byte*>(out.data()));
  bool right = true;
  for (std::size_t i = 0; i < n; ++i) right &= out[i] == formula(in[i]...);
  CHECK(right);
  CHECK(out[n] == behind);
}

// Straight from contiguous inputs, and by the walk that other inputs need.
template <class Out, class... In, class F>
void check_every_length(F formula) {
  const auto loop = FormulaLoop<F, Out, In...>::entry;
  const Strides strides{1};
  for (const std::int64_t n : {0, 1, 15, 16, 17, 63, 64, 65, 128, 1000, 40'007}) {
    CAPTURE(n);
    const auto size = static_cast<std::size_t>(n);
    const auto check = [&](const std::vector<In>&... in) {
      const std::array<const void*, sizeof...(In)> data{in.data()...};
      const std::array<ElementInput, sizeof...(In)> inputs{input_of(in, strides, true)...};
      const auto straight = [&](std::byte* out) {
        run_contiguous(n, out, data.data(), loop, &formula);
      };
      const auto walk = [&](std::byte* out) {
        run_elementwise({n}, out, sizeof(Out), inputs, loop, &formula);
      };
      check_elements<Out>(size, straight, formula, in...);
      check_elements<Out>(size, walk, formula, in...);
    };
    check(numbers<In>(size)...);
  }
}

// Where element i of a view lies, counted in row-major order.
std::ptrdiff_t place(std::int64_t i, const Shape& shape, const Strides& strides) {
  std::int64_t offset = 0;
  for (std::size_t d = shape.size(); d-- > 0; i /= shape[d]) offset += i % shape[d] * strides[d];
  return offset;
}

TEST_CASE("a formula is evaluated at every element, whatever their number and types") {
  check_every_length<float, float>([](float x) { return 2 * x + 1; });
  check_every_length<double, double>([](double x) { return 2 * x + 1; });
  check_every_length<std::int64_t, std::int64_t>([](std::int64_t x) { return 2 * x + 1; });
  check_every_length<std::uint8_t, float>(
      [](float x) { return static_cast<std::uint8_t>(x > 10 ? 1 : 0); });
  check_every_length<float, float, float>([](float x, float y) { return 2 * x + y; });
  check_every_length<float, float, float, float>(
      [](float x, float y, float z) { return 2 * x + y * z; });
}

// The loops of the library are optimised, where those above are as the tests are compiled.
TEST_CASE("an op over float32 reaches every element") {
  for (const std::int64_t n : {1, 63, 64, 65, 1000, 40'007}) {
    CAPTURE(n);
    const Tensor x = arange(0, static_cast<double>(n), 1, DType::float32);
    const Tensor y = abs(x - 500);
    bool right = true;
    for (std::int64_t i = 0; i < n; ++i) {
      right &= y.raw<float>()[i] == static_cast<float>(std::abs(i - 500));
    }
    CHECK(right);
  }
}

TEST_CASE("views are read in their order, repeated and permuted") {
  struct View {
    Shape shape;
    Strides strides;
  };
  const std::vector<View> views{{{7, 5}, {1, 7}},
                                {{3, 200, 70}, {1, 210, 3}},
                                {{4, 1, 6}, {0, 0, 1}},
                                {{2, 3, 4}, {12, 4, 1}},
                                {{50, 1300}, {0, 2}},
                                {{5, 4, 3, 2}, {2, 10, 0, 1}},
                                {{1, 1, 9}, {90, 9, -1}},
                                {{0, 4}, {4, 1}},
                                {{6, 8}, {3, 0}},
                                {{1, 1}, {5, 3}},
                                {{}, {}}};
  const auto formula = [](float x, float y) { return 2 * x + y; };
  for (const View& view : views) {
    CAPTURE(to_string(view.shape));
    const auto n = static_cast<std::size_t>(numel(view.shape));
    const std::vector<float> elements = numbers<float>(100'000), direct = numbers<float>(n);
    const float* const first = elements.data() + 100;  // strides may be negative
    const Strides row_major = contiguous_strides(view.shape);
    const ElementInput seen{reinterpret_cast<const std::byte*>(first), &view.strides, sizeof(float),
                            false};
    const std::array inputs{seen, input_of(direct, row_major, true)};
    std::vector<float> out(n), copy(n);
    run_elementwise(view.shape, reinterpret_cast<std::byte*>(out.data()), sizeof(float), inputs,
                    FormulaLoop<decltype(formula), float, float, float>::entry, &formula);
    copy_strided(view.shape, reinterpret_cast<std::byte*>(copy.data()), seen);
    bool right = true, copied = true;
    for (std::size_t i = 0; i < n; ++i) {
      const float x = first[place(static_cast<std::int64_t>(i), view.shape, view.strides)];
      right &= out[i] == formula(x, direct[i]);
      copied &= copy[i] == x;
    }
    CHECK(right);
    CHECK(copied);
  }
}

}  // namespace
}  // namespace attune
