#pragma once
// Shapes and strides, the rules by which shapes broadcast, and the sentences said when they do not.

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "autograd/error.h"

namespace attune {

// The highest number of dimensions a tensor can have.
inline constexpr std::size_t max_rank = 8;

// A short list of sizes or strides, one a dimension, kept inline.
class Dims {
 public:
  Dims() = default;
  // These, and the changes below, throw Error beyond max_rank.
  Dims(std::initializer_list<std::int64_t> values, Site site = Site::current());
  explicit Dims(std::span<const std::int64_t> values, Site site = Site::current());
  // `rank` copies of `value`.
  static Dims filled(std::size_t rank, std::int64_t value, Site site = Site::current());

  std::size_t size() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  std::int64_t operator[](std::size_t i) const { return values_[i]; }
  std::int64_t& operator[](std::size_t i) { return values_[i]; }
  std::int64_t back() const { return values_[rank_ - 1]; }
  std::int64_t& back() { return values_[rank_ - 1]; }
  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + rank_; }
  std::int64_t* begin() { return values_.data(); }
  std::int64_t* end() { return values_.data() + rank_; }

  void push_back(std::int64_t value, Site site = Site::current());
  void insert(std::size_t at, std::int64_t value, Site site = Site::current());
  void erase(std::size_t at);

 private:
  std::array<std::int64_t, max_rank> values_;
  std::size_t rank_ = 0;
};

bool operator==(const Dims& a, const Dims& b);

// The size of every dimension, outermost first; [] is the shape of a scalar.
using Shape = Dims;
// How many elements lie between neighbours along every dimension.
using Strides = Dims;

// The number of elements: the product of the sizes, 1 for a scalar. Error if the sizes that are not
// 0 have a product beyond int64.
std::int64_t numel(const Shape& shape);
// "[64, 128]".
std::string to_string(const Dims& dims);
// The strides of a tensor whose elements lie in row-major order without gaps.
Strides contiguous_strides(const Shape& shape);
bool is_contiguous(const Shape& shape, const Strides& strides);

// The shape that `a` and `b` broadcast to: aligned at the last dimension, sizes equal or one of
// them 1. Errors name `op`, both shapes and the clash.
Shape broadcast_shapes(std::string_view op, const Site& site, const Shape& a, const Shape& b);
// Whether a tensor of shape `from` can be expanded to `to`.
bool broadcasts_to(const Shape& from, const Shape& to);
// Strides that read a tensor of shape `from` as if it had shape `to`: 0 where it is repeated.
Strides broadcast_strides(const Shape& from, const Strides& strides, const Shape& to);

// Two shapes one below the other, aligned at the last dimension, with ^ under the sizes that clash:
//
//      [32, 10, 64]
//           [7, 64]
//           ^^
//
// `of_a` and `of_b` are the dimensions that clash, from -1, the last, downwards; where they differ,
// each shape has marks of its own. No line feed at the end.
std::string draw_clash(const Shape& a, const Dims& of_a, const Shape& b, const Dims& of_b);
// The same where `a` and `b` do not broadcast, the last `but` dimensions left aside.
std::string draw_broadcast(const Shape& a, const Shape& b, std::size_t but = 0);
// The same where `from` cannot be expanded to `to`, and where the two should be equal.
std::string draw_expansion(const Shape& from, const Shape& to);
std::string draw_difference(const Shape& a, const Shape& b);

// The dimension that `dim` means in a tensor of that rank, with -1 the last; Error when out of
// range.
std::size_t wrap_dim(std::string_view op, const Site& site, std::int64_t dim, std::size_t rank);

}  // namespace attune
