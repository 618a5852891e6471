#include "tests/autograd/draw.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <string>

#include "autograd/ops.h"

namespace attune::testing {

std::uint64_t test_seed() {
  const char* const seed = std::getenv("ATTUNE_TEST_SEED");
  return seed ? std::stoull(seed) : 20151;
}

Draw::Draw(std::uint64_t seed, int round)
    : generator_(1000 * seed + static_cast<std::uint64_t>(round)), round_(round), layouts_(round) {}

std::int64_t Draw::integer(std::int64_t low, std::int64_t high) {
  const auto count = static_cast<std::uint64_t>(high - low + 1);
  return low + static_cast<std::int64_t>(generator_.below(count));
}

double Draw::real(double low, double high) {
  return low + (high - low) * generator_.uniform();
}

std::size_t Draw::place(std::size_t count) {
  return static_cast<std::size_t>(generator_.below(count));
}

Shape Draw::shape(std::int64_t min_rank, std::int64_t max_rank) {
  if (round_ == 0) return Shape::filled(static_cast<std::size_t>(min_rank), 1);
  const bool empty = round_ == 1 || integer(0, 9) == 0;
  const std::int64_t rank = integer(std::max<std::int64_t>(min_rank, empty), max_rank);
  Shape shape = Shape::filled(static_cast<std::size_t>(rank), 1);
  for (auto& size : shape) {
    if (integer(0, 3) >= (round_ == 2 ? 3 : 1)) size = integer(2, rank > 2 ? 3 : 4);
  }
  if (empty) shape[place(shape.size())] = 0;
  return shape;
}

Shape Draw::broadcasting_to(const Shape& shape) {
  const std::size_t from = coin() ? 0 : place(shape.size() + 1);
  Shape result(std::span(shape.begin() + from, shape.end()));
  for (auto& size : result) {
    if (integer(0, 3) == 0) size = 1;
  }
  return result;
}

// A scalar takes the dimensions of a row of one, in the ops that take any.
std::int64_t Draw::dim(std::size_t rank) {
  const auto count = std::max<std::int64_t>(1, static_cast<std::int64_t>(rank));
  return integer(-count, count - 1);
}

Dims Draw::order(std::size_t rank) {
  Dims order = Dims::filled(rank, 0);
  std::iota(order.begin(), order.end(), 0);
  shuffle(std::span(order.begin(), order.end()), generator_);
  for (auto& dim : order) dim -= coin() ? static_cast<std::int64_t>(rank) : 0;
  return order;
}

Dims Draw::dims(std::size_t rank) {
  const Dims all = order(rank);
  return Dims(std::span(all.begin(), place(rank + 1)));
}

Tensor Draw::values(const Shape& shape, double low, double high) {
  std::vector<double> numbers(static_cast<std::size_t>(numel(shape)));
  for (double& number : numbers) number = real(low, high);
  return from_vector(numbers, shape);
}

Tensor Draw::leaf(const Shape& shape, double low, double high) {
  const bool repeated = !shape.empty() && layouts_ % 6 == 5;
  if (!repeated) return laid_out(values(shape, low, high)).requires_grad_();
  ++layouts_;
  Shape once = shape;
  once[place(shape.size())] = 1;
  return expand(values(once, low, high), shape).detach().requires_grad_();
}

Tensor Draw::distinct(const Shape& shape) {
  std::vector<double> numbers(static_cast<std::size_t>(numel(shape)));
  const auto count = static_cast<std::int64_t>(numbers.size());
  for (std::int64_t i = 0; i < count; ++i) {
    numbers[static_cast<std::size_t>(i)] = 0.2 * static_cast<double>(i - count / 2) + 0.1;
  }
  shuffle(std::span(numbers), generator_);
  return laid_out(from_vector(numbers, shape)).requires_grad_();
}

Tensor Draw::mask(const Shape& shape) {
  return laid_out(values(shape) > 0);
}

Tensor Draw::indices(const Shape& shape, std::int64_t bound) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(numel(shape)));
  for (auto& number : numbers) number = integer(0, bound - 1);
  return laid_out(from_vector(numbers, shape));
}

namespace {

// The values in every step-th place of a larger tensor, from the second on.
Tensor within_larger(const Tensor& values, std::size_t dim, std::int64_t step) {
  Shape larger = values.shape();
  larger[dim] = step * larger[dim] + 2;
  Tensor around = full(larger, is_floating(values.dtype()) ? NAN : -1, values.dtype());
  Tensor inside = slice(around, static_cast<std::int64_t>(dim), 1, larger[dim] - 1, step);
  inside.copy_(values);
  return inside;
}

}  // namespace

Tensor Draw::laid_out(const Tensor& values) {
  if (values.rank() == 0) return select(within_larger(unsqueeze(values, 0), 0, 1), 0, 0);
  const std::size_t dim = place(values.rank());
  const auto d = static_cast<std::int64_t>(dim);
  const std::int64_t other = d == 0 ? -1 : 0;
  switch (layouts_++ % 5) {
    case 0:
      return values;
    case 1:
      return transpose(transpose(values, d, other).clone(), d, other);
    case 2:
      return flip(flip(values, d).clone(), d);
    case 3:
      return within_larger(values, dim, 2);
    default:
      return within_larger(values, dim, 1);
  }
}

}  // namespace attune::testing
