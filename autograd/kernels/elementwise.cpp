#include "autograd/kernels/elementwise.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

// Elements a task handles at the least, and the block in which inputs are gathered.
constexpr std::int64_t grain = 16 * 1024;
constexpr std::int64_t block = 1024;

// The strided inputs, with neighbouring dimensions merged where every input allows it.
struct Walk {
  Shape shape;
  std::array<Strides, max_element_inputs> strides;
};

Walk merge_dimensions(const Shape& shape, std::span<const ElementInput> inputs) {
  Walk walk;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    bool joins = !walk.shape.empty();
    for (std::size_t i = 0; joins && i < inputs.size(); ++i) {
      joins = walk.strides[i].back() == (*inputs[i].strides)[d] * shape[d];
    }
    if (!joins) walk.shape.push_back(1);
    walk.shape.back() *= shape[d];
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!joins) walk.strides[i].push_back(0);
      walk.strides[i].back() = (*inputs[i].strides)[d];
    }
  }
  return walk;
}

// Element size as a type, so that moving one is one instruction.
template <class F>
void with_item_type(std::size_t item_size, F&& f) {
  switch (item_size) {
    case 1:
      return f(std::uint8_t{});
    case 4:
      return f(std::uint32_t{});
    default:
      return f(std::uint64_t{});
  }
}

template <class T>
void gather_row(T* out, const T* in, std::int64_t stride, std::int64_t n) {
  if (stride == 1) {
    std::copy_n(in, n, out);
  } else if (stride == 0) {
    std::fill_n(out, n, *in);
  } else {
    for (std::int64_t i = 0; i < n; ++i) out[i] = in[i * stride];
  }
}

// Gathers elements begin .. begin + n, counted in row-major order, of a strided view.
template <class T>
void gather(T* out, const T* in, const Shape& shape, const Strides& strides, std::int64_t begin,
            std::int64_t n) {
  if (shape.empty()) {
    *out = *in;
    return;
  }
  std::array<std::int64_t, max_rank> index{};
  std::int64_t rest = begin;
  for (std::size_t d = shape.size(); d-- > 0;) {
    index[d] = rest % shape[d];
    rest /= shape[d];
    in += index[d] * strides[d];
  }
  const std::size_t last = shape.size() - 1;
  while (true) {
    const std::int64_t row = std::min(n, shape[last] - index[last]);
    gather_row(out, in, strides[last], row);
    out += row;
    n -= row;
    if (n == 0) return;
    in -= index[last] * strides[last];
    index[last] = 0;
    for (std::size_t d = last; d-- > 0;) {
      in += strides[d];
      if (++index[d] < shape[d]) break;
      in -= shape[d] * strides[d];
      index[d] = 0;
    }
  }
}

}  // namespace

void run_contiguous(std::int64_t n, std::byte* out, const void* const* in, ElementLoop loop,
                    const void* formula) {
  parallel_for(n, grain,
               [&](std::int64_t begin, std::int64_t end) { loop(formula, out, in, begin, end); });
}

void run_elementwise(const Shape& shape, std::byte* out, std::size_t out_item_size,
                     std::span<const ElementInput> inputs, ElementLoop loop, const void* formula) {
  const std::int64_t n = numel(shape);
  if (n == 0) return;
  const Walk walk = merge_dimensions(shape, inputs);
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) std::array<std::array<std::uint64_t, block>, max_element_inputs> buffers;
    std::array<const void*, max_element_inputs> in;
    for (std::int64_t at = begin; at < end; at += block) {
      const std::int64_t length = std::min(block, end - at);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].contiguous) {
          in[i] = inputs[i].data + static_cast<std::size_t>(at) * inputs[i].item_size;
          continue;
        }
        with_item_type(inputs[i].item_size, [&]<class T>(T) {
          gather(reinterpret_cast<T*>(buffers[i].data()),
                 reinterpret_cast<const T*>(inputs[i].data), walk.shape, walk.strides[i], at,
                 length);
        });
        in[i] = buffers[i].data();
      }
      loop(formula, out + static_cast<std::size_t>(at) * out_item_size, in.data(), 0, length);
    }
  });
}

void copy_strided(const Shape& shape, std::byte* out, const ElementInput& input) {
  const std::int64_t n = numel(shape);
  if (n == 0) return;
  const Walk walk = merge_dimensions(shape, {&input, 1});
  with_item_type(input.item_size, [&]<class T>(T) {
    parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
      gather(reinterpret_cast<T*>(out) + begin, reinterpret_cast<const T*>(input.data), walk.shape,
             walk.strides[0], begin, end - begin);
    });
  });
}

}  // namespace attune
