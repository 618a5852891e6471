// Choosing between elements by a mask.

#include <fmt/format.h>

#include "autograd/op.h"

namespace attune {
namespace {

void check_mask(const char* op, Operand mask) {
  if (mask->dtype() != DType::boolean) {
    misuse(op, mask.site(),
           fmt::format("the mask is {} {}, and must be bool", name(mask->dtype()),
                       to_string(mask->shape())),
           "A comparison such as x > 0 makes one.");
  }
}

constexpr auto choose = [](bool m, auto x, auto y) { return m ? x : y; };

// A mask of [rows, columns] that is true where `keep(column - row)`.
template <class F>
Tensor band(std::int64_t rows, std::int64_t columns, F keep) {
  Tensor mask = empty({rows, columns}, DType::boolean);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) mask.raw<bool>()[i * columns + j] = keep(j - i);
  }
  return mask;
}

void check_matrix(const char* op, Operand x) {
  if (x->rank() < 2) {
    misuse(op, x.site(),
           fmt::format("it needs at least two dimensions, not {}", to_string(x->shape())));
  }
}

}  // namespace

Tensor where(Operand mask, Operand a, Operand b) {
  check_mask("where", mask);
  detail::check_same_dtype("where", a, b);
  const Shape shape =
      broadcast_shapes("where", a.site(),
                       broadcast_shapes("where", a.site(), a->shape(), b->shape()), mask->shape());
  Tensor value = dispatch(a->dtype(), [&]<class T>(T) {
    return evaluate<T, bool, T, T>(choose, shape, *mask, *a, *b);
  });
  return apply("where", {mask, a, b}, std::move(value),
               wrt(a, [m = save(mask)](const Tensor& g) { return where(m(), g, 0); }),
               wrt(b, [m = save(mask)](const Tensor& g) { return where(m(), 0, g); }));
}

Tensor where(Operand mask, Operand a, Scalar b) {
  return where(mask, a, {scalar(b.value, a->dtype()), a.site()});
}

Tensor where(Operand mask, Scalar a, Operand b) {
  return where(mask, {scalar(a.value, b->dtype()), b.site()}, b);
}

Tensor masked_fill(Operand x, Operand mask, Scalar value) {
  return where(mask, value, x);
}

Tensor tril(Operand x, std::int64_t diagonal) {
  check_matrix("tril", x);
  return where(band(x->size(-2), x->size(-1), [=](auto offset) { return offset <= diagonal; }), x,
               0);
}

Tensor triu(Operand x, std::int64_t diagonal) {
  check_matrix("triu", x);
  return where(band(x->size(-2), x->size(-1), [=](auto offset) { return offset >= diagonal; }), x,
               0);
}

}  // namespace attune
