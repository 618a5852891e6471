// Joining tensors along a dimension, and parting them again.

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "autograd/kernels/parallel.h"
#include "autograd/kernels/rounding.h"
#include "autograd/op.h"

namespace attune {
namespace {

std::vector<Operand> operands(const std::vector<Tensor>& tensors, const Site& site) {
  std::vector<Operand> result;
  for (const Tensor& tensor : tensors) result.emplace_back(tensor, site);
  return result;
}

// A picture that marks the sizes that differ, but for that of the joined dimension.
std::string draw_unequal(const Shape& a, const Shape& b, std::size_t joined_dim) {
  if (a.size() != b.size()) return draw_difference(a, b);
  Dims marks;
  for (std::size_t d = 0; d < a.size(); ++d) {
    if (d != joined_dim && a[d] != b[d]) {
      marks.push_back(static_cast<std::int64_t>(d) - static_cast<std::int64_t>(a.size()));
    }
  }
  return draw_clash(a, marks, b, marks);
}

void check_joinable(const char* op, const std::vector<Tensor>& tensors, std::size_t joined_dim,
                    const Site& site) {
  const Tensor& first = tensors.front();
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    Shape shape = tensors[i].shape();
    if (joined_dim < shape.size() && shape.size() == first.rank()) {
      shape[joined_dim] = first.shape()[joined_dim];
    }
    if (shape != first.shape() || tensors[i].dtype() != first.dtype()) {
      const bool shapes_clash = shape != first.shape();
      misuse(op, site,
             fmt::format("tensor {} is {} {}, which does not fit the first, {} {}", i,
                         name(tensors[i].dtype()), to_string(tensors[i].shape()),
                         name(first.dtype()), to_string(first.shape())),
             !shapes_clash            ? "Convert one of them with .to()."
             : joined_dim == max_rank ? "All sizes must be equal."
                                      : "All sizes but that of the joined dimension must be equal.",
             shapes_clash ? draw_unequal(tensors[i].shape(), first.shape(), joined_dim) : "");
    }
  }
}

// The gradients of consecutive pieces, with zeros for those that got none.
Tensor join_gradients(std::span<const Tensor> gradients, const std::vector<Shape>& shapes,
                      DType dtype, std::int64_t dim) {
  std::vector<Tensor> pieces(gradients.begin(), gradients.end());
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].defined()) pieces[i] = zeros(shapes[i], dtype);
  }
  return cat(pieces, dim);
}

// Bytes that are worth a thread's while to copy.
constexpr std::size_t bytes_a_chunk = 64 * 1024;

// Each of the `count` rows of `value` is a row of every piece, one after the other.
void join_rows(const std::vector<Tensor>& pieces, std::int64_t count, const Tensor& value) {
  if (value.numel() == 0) return;
  struct Piece {
    Tensor whole;
    std::size_t row;  // bytes
  };
  std::vector<Piece> from;
  std::size_t row = 0;
  for (const Tensor& piece : pieces) {
    const auto bytes = static_cast<std::size_t>(piece.numel() / count) * item_size(piece.dtype());
    from.push_back({piece.detach().contiguous(), bytes});
    row += bytes;
  }
  const auto rows_a_chunk = static_cast<std::int64_t>(divide_up(bytes_a_chunk, row));
  parallel_for(count, rows_a_chunk, [&](std::int64_t begin, std::int64_t end) {
    std::byte* out = value.bytes() + static_cast<std::size_t>(begin) * row;
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      for (const Piece& piece : from) {
        out = std::copy_n(piece.whole.bytes() + i * piece.row, piece.row, out);
      }
    }
  });
}

}  // namespace

Tensor cat(const std::vector<Tensor>& tensors, std::int64_t dim, Site site) {
  if (tensors.empty()) misuse("cat", site, "there is nothing to join");
  const std::size_t d = wrap_dim("cat", site, dim, tensors.front().rank());
  check_joinable("cat", tensors, d, site);
  std::vector<std::int64_t> starts{0};
  for (const Tensor& tensor : tensors) starts.push_back(starts.back() + tensor.shape()[d]);
  Shape shape = tensors.front().shape();
  shape[d] = starts.back();

  Tensor value = empty(shape, tensors.front().dtype());
  join_rows(tensors,
            numel(Shape(std::span(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(d)))),
            value);
  return apply("cat", operands(tensors, site), std::move(value),
               jointly([starts, dim](std::span<const Tensor> g, const Needs& needs) {
                 std::vector<Tensor> gradients(needs.size());
                 for (std::size_t i = 0; i < needs.size(); ++i) {
                   if (needs[i]) gradients[i] = slice(g[0], dim, starts[i], starts[i + 1]);
                 }
                 return gradients;
               }));
}

Tensor stack(const std::vector<Tensor>& tensors, std::int64_t dim, Site site) {
  if (tensors.empty()) misuse("stack", site, "there is nothing to join");
  check_joinable("stack", tensors, max_rank, site);
  const auto d =
      static_cast<std::int64_t>(wrap_dim("stack", site, dim, tensors.front().rank() + 1));
  std::vector<Tensor> rows;
  for (const Tensor& tensor : tensors) rows.push_back(unsqueeze({tensor, site}, d));
  return cat(rows, d, site);
}

std::vector<Tensor> split(Operand x, const std::vector<std::int64_t>& sizes, std::int64_t dim) {
  const std::size_t d = wrap_dim("split", x.site(), dim, x->rank());
  const bool legal = std::all_of(sizes.begin(), sizes.end(), [](auto size) { return size >= 0; });
  if (!legal || std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) != x->shape()[d]) {
    misuse("split", x.site(),
           fmt::format("the sizes {} do not add up to dimension {} of {}",
                       to_string(Dims(std::span(sizes).first(std::min(sizes.size(), max_rank)))),
                       dim, to_string(x->shape())));
  }
  std::vector<Tensor> pieces;
  std::vector<Shape> shapes;
  std::int64_t start = 0;
  for (const auto size : sizes) {
    shapes.push_back(x->shape());
    shapes.back()[d] = size;
    pieces.push_back(view(*x, shapes.back(), x->strides(), start * x->strides()[d]));
    start += size;
  }
  return apply("split", std::vector{x}, std::move(pieces),
               jointly([shapes, dtype = x->dtype(), dim](std::span<const Tensor> g, const Needs&) {
                 return std::vector{join_gradients(g, shapes, dtype, dim)};
               }));
}

std::vector<Tensor> unbind(Operand x, std::int64_t dim) {
  const std::size_t d = wrap_dim("unbind", x.site(), dim, x->rank());
  std::vector<Tensor> pieces =
      split(x, std::vector<std::int64_t>(static_cast<std::size_t>(x->shape()[d]), 1), dim);
  for (Tensor& piece : pieces) piece = squeeze({piece, x.site()}, static_cast<std::int64_t>(d));
  return pieces;
}

}  // namespace attune
