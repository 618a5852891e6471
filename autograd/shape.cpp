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

std::int64_t numel(const Shape& shape) {
  std::int64_t product = 1;
  bool nothing = false;
  for (const auto size : shape) {
    nothing |= size == 0;
    if (size != 0 && __builtin_mul_overflow(product, size, &product)) {
      throw Error(
          fmt::format("the shape {} has more elements than can be counted.", to_string(shape)));
    }
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
          "Sizes must be equal or 1, counted from the last dimension; unsqueeze() adds one of 1.");
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
