#include "autograd/shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace attune {
namespace {

void check_rank(std::size_t rank, const Site& site) {
  if (rank > max_rank) {
    misuse("shape", site,
           fmt::format("a tensor has at most {} dimensions, and this needs {}", max_rank, rank),
           "Join some with reshape() first.");
  }
}

}  // namespace

Dims::Dims(std::initializer_list<std::int64_t> values, Site site)
    : Dims(std::span(values.begin(), values.size()), site) {}

Dims::Dims(std::span<const std::int64_t> values, Site site) : rank_(values.size()) {
  check_rank(rank_, site);
  std::copy(values.begin(), values.end(), values_.begin());
}

Dims Dims::filled(std::size_t rank, std::int64_t value, Site site) {
  check_rank(rank, site);
  Dims dims;
  dims.rank_ = rank;
  std::fill(dims.begin(), dims.end(), value);
  return dims;
}

void Dims::push_back(std::int64_t value, Site site) {
  insert(rank_, value, site);
}

void Dims::insert(std::size_t at, std::int64_t value, Site site) {
  check_rank(rank_ + 1, site);
  std::copy_backward(begin() + at, end(), end() + 1);
  values_[at] = value;
  ++rank_;
}

void Dims::erase(std::size_t at) {
  std::copy(begin() + at + 1, end(), begin() + at);
  --rank_;
}

bool operator==(const Dims& a, const Dims& b) {
  // A loop: std::equal calls memcmp, which for so few takes several times as long.
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

namespace {

[[noreturn, gnu::noinline]] void throw_uncountable(const Shape& shape) {
  throw Error(fmt::format("the shape {} has more elements than can be counted.", to_string(shape)));
}

}  // namespace

std::int64_t numel(const Shape& shape) {
  std::int64_t product = 1;
  bool nothing = false;
  for (const auto size : shape) {
    nothing |= size == 0;
    if (size != 0 && __builtin_mul_overflow(product, size, &product)) throw_uncountable(shape);
  }
  return nothing ? 0 : product;
}

std::string to_string(const Dims& dims) {
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides = shape;
  std::int64_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<std::int64_t>(shape[i], 1);
  }
  return strides;
}

bool is_contiguous(const Shape& shape, const Strides& strides) {
  std::int64_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != step) return false;
    step *= shape[i];
  }
  return true;
}

Shape broadcast_shapes(std::string_view op, const Site& site, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  const std::size_t offset = longer.size() - shorter.size();
  Shape result = longer;
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    std::int64_t& size = result[i + offset];
    if (shorter[i] == size || shorter[i] == 1) continue;
    if (size != 1) {
      const auto from_the_end =
          static_cast<std::int64_t>(i) - static_cast<std::int64_t>(shorter.size());
      misuse(
          op, site,
          fmt::format("the shapes do not broadcast: {} and {} ({} vs {} in dimension {})",
                      to_string(a), to_string(b), a[a.size() - shorter.size() + i],
                      b[b.size() - shorter.size() + i], from_the_end),
          "Sizes must be equal or 1, counted from the last dimension; unsqueeze() adds one of 1.",
          draw_broadcast(a, b));
    }
    size = shorter[i];
  }
  return result;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.size() > to.size()) return false;
  const std::size_t offset = to.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] != to[i + offset] && from[i] != 1) return false;
  }
  return true;
}

Strides broadcast_strides(const Shape& from, const Strides& strides, const Shape& to) {
  Strides result = Strides::filled(to.size(), 0);
  const std::size_t offset = to.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] != 1) result[i + offset] = strides[i];
  }
  return result;
}

namespace {

// The size that stands in place `back`, 0 the last; empty where the shape is shorter than that.
std::string size_at(const Shape& shape, std::size_t back) {
  return back < shape.size() ? std::to_string(shape[shape.size() - 1 - back]) : "";
}

std::size_t column_width(const Shape& a, const Shape& b, std::size_t back) {
  return std::max(size_at(a, back).size(), size_at(b, back).size());
}

// A shape in columns that `other` shares, each two wider than its sizes for what stands between.
std::string draw_row(const Shape& shape, const Shape& other) {
  std::string row;
  for (std::size_t back = std::max(shape.size(), other.size()); back-- > 0;) {
    const std::size_t width = column_width(shape, other, back);
    const std::string size = size_at(shape, back);
    if (back + 1 > shape.size()) {
      row += std::string(width + 2, ' ');
    } else if (back + 1 == shape.size()) {
      row += fmt::format("{:>{}}", '[' + size, width + 2);
    } else {
      row += fmt::format(", {:>{}}", size, width);
    }
  }
  return row + (shape.empty() ? "[]" : "]");
}

std::string draw_marks(const Shape& shape, const Shape& other, const Dims& dims) {
  std::string row;
  for (std::size_t back = std::max(shape.size(), other.size()); back-- > 0;) {
    const std::size_t width = column_width(shape, other, back);
    const auto dim = -1 - static_cast<std::int64_t>(back);
    const bool marked = std::find(dims.begin(), dims.end(), dim) != dims.end();
    row += std::string(2, ' ') + std::string(width, marked ? '^' : ' ');
  }
  return row.substr(0, row.find_last_not_of(' ') + 1);
}

}  // namespace

std::string draw_clash(const Shape& a, const Dims& of_a, const Shape& b, const Dims& of_b) {
  const std::string between = of_a == of_b ? "" : draw_marks(a, b, of_a) + '\n';
  return fmt::format("{}\n{}{}\n{}", draw_row(a, b), between, draw_row(b, a),
                     draw_marks(a, b, of_b));
}

namespace {

// A picture that marks the dimensions whose sizes clash(size of a, size of b); a dimension that
// only the other shape has is of size `missing`.
constexpr std::int64_t missing = -1;
template <class F>
std::string draw_where(const Shape& a, const Shape& b, F&& clash) {
  Dims marks;
  const auto size = [](const Shape& shape, std::size_t back) {
    return back < shape.size() ? shape[shape.size() - 1 - back] : missing;
  };
  for (std::size_t back = 0; back < std::max(a.size(), b.size()); ++back) {
    if (clash(size(a, back), size(b, back), back)) {
      marks.push_back(-1 - static_cast<std::int64_t>(back));
    }
  }
  return draw_clash(a, marks, b, marks);
}

}  // namespace

std::string draw_broadcast(const Shape& a, const Shape& b, std::size_t but) {
  return draw_where(a, b, [&](std::int64_t x, std::int64_t y, std::size_t back) {
    return back >= but && x != y && std::min(x, y) != missing && x != 1 && y != 1;
  });
}

std::string draw_expansion(const Shape& from, const Shape& to) {
  return draw_where(from, to, [](std::int64_t x, std::int64_t y, std::size_t) {
    return x != y && x != missing && (x != 1 || y == missing);
  });
}

std::string draw_difference(const Shape& a, const Shape& b) {
  return draw_where(a, b, [](std::int64_t x, std::int64_t y, std::size_t) { return x != y; });
}

std::size_t wrap_dim(std::string_view op, const Site& site, std::int64_t dim, std::size_t rank) {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (dim < -signed_rank || dim >= signed_rank) {
    misuse(op, site,
           rank == 0 ? fmt::format("dimension {} of a scalar, which has none", dim)
                     : fmt::format("dimension {} is out of range for {} dimensions ({} to {})", dim,
                                   rank, -signed_rank, signed_rank - 1));
  }
  return static_cast<std::size_t>(dim < 0 ? dim + signed_rank : dim);
}

}  // namespace attune
