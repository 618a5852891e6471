#pragma once
// Walks strided, broadcast inputs and feeds them to a loop over contiguous memory. The loop is all
// that is compiled for each formula; whatever it cannot read directly is first gathered, a block at
// a time, into a buffer that stays in the cache.

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "autograd/kernels/isa.h"
#include "autograd/shape.h"

namespace attune {

// out[i] = formula(in[0][i], in[1][i], ...) for i from `begin` to `end`. `out` overlaps no input.
using ElementLoop = void (*)(const void* formula, void* out, const void* const* in,
                             std::int64_t begin, std::int64_t end);

struct ElementInput {
  const std::byte* data;
  const Strides* strides;  // in elements, one a dimension of the output; 0 where it is repeated
  std::size_t item_size;
  bool contiguous;  // as seen in the shape of the output
};

inline constexpr std::size_t max_element_inputs = 4;

// Fills n elements of `out` from as many of every input, which need no walk.
void run_contiguous(std::int64_t n, std::byte* out, const void* const* in, ElementLoop loop,
                    const void* formula);

// Fills the contiguous `out` of that shape.
void run_elementwise(const Shape& shape, std::byte* out, std::size_t out_item_size,
                     std::span<const ElementInput> inputs, ElementLoop loop, const void* formula);

// Copies a strided view into contiguous memory.
void copy_strided(const Shape& shape, std::byte* out, const ElementInput& input);

// The ElementLoop of a formula over scalars.
template <class F, class Out, class... In>
struct FormulaLoop {
  static void run(const void* formula, void* out, const void* const* in, std::int64_t begin,
                  std::int64_t end) {
    run_typed(*static_cast<const F*>(formula), static_cast<Out*>(out) + begin, in, begin,
              end - begin, std::make_index_sequence<sizeof...(In)>());
  }

  static void entry(const void* formula, void* out, const void* const* in, std::int64_t begin,
                    std::int64_t end) {
    // Models compute in float32, checks in float64, and integers are a few indices: each is
    // compiled for as many instruction sets as it deserves.
    if constexpr ((std::is_same_v<In, std::int64_t> || ...)) {
      run(formula, out, in, begin, end);
    } else if constexpr ((std::is_same_v<In, double> || ...)) {
      vectorised<FormulaLoop, Isa::avx2>(formula, out, in, begin, end);
    } else {
      vectorised<FormulaLoop>(formula, out, in, begin, end);
    }
  }

 private:
  template <std::size_t... I>
  static void run_typed(const F& formula, Out* __restrict out, const void* const* in,
                        std::int64_t begin, std::int64_t n, std::index_sequence<I...>) {
    run_loop(formula, out, n, (static_cast<const In*>(in[I]) + begin)...);
  }
  static void run_loop(const F formula, Out* __restrict out, std::int64_t n, const In*... in) {
    std::int64_t i = 0;
    if constexpr (std::is_same_v<Out(In...), float(float)>) {
      for (; i + block <= n; i += block) {
        for (std::int64_t j = i + ahead; j < i + ahead + block; j += line) {
          (__builtin_prefetch(in + j, 0), ...);
          __builtin_prefetch(out + j, 1);
        }
        for (std::int64_t j = i; j < i + block; ++j) out[j] = static_cast<Out>(formula(in[j]...));
      }
    }
    for (; i < n; ++i) out[i] = static_cast<Out>(formula(in[i]...));
  }

  // A function of one number, such as tanh, has so many operations that a processor does not see
  // far enough beyond them to have the next numbers there in time. They are asked for beforehand;
  // asking beyond the end does no harm.
  static constexpr std::int64_t block = 64;
  static constexpr std::int64_t ahead = 8 * block;
  static constexpr std::int64_t line = 16;  // numbers in a line of the cache
};

// out[i] = formula(out[i], in[i]): a change in place.
template <class F, class T>
struct UpdateLoop {
  static void run(const F* formula, T* __restrict out, const T* __restrict in, std::int64_t n) {
    const F f = *formula;
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(f(out[i], in[i]));
  }
};

}  // namespace attune
