// Comparisons: masks of dtype boolean. They are constant almost everywhere, so they record nothing.

#include "autograd/op.h"

namespace attune {
namespace {

template <class F>
Tensor compare(const char* name, Operand a, Operand b, F predicate) {
  detail::check_same_dtype(name, a, b);
  const Shape shape = broadcast_shapes(name, a.site(), a->shape(), b->shape());
  return dispatch(a->dtype(),
                  [&]<class T>(T) { return evaluate<bool, T, T>(predicate, shape, *a, *b); });
}

template <class F>
Tensor compare(Operand a, Scalar b, F predicate) {
  return dispatch(a->dtype(), [&]<class T>(T) {
    const auto with_b = [predicate, b = static_cast<T>(b.value)](auto x) {
      return predicate(x, b);
    };
    return evaluate<bool, T>(with_b, a->shape(), *a);
  });
}

template <class F>
Tensor combine(const char* name, Operand a, Operand b, F predicate) {
  for (const Operand& mask : {a, b}) {
    if (mask->dtype() != DType::boolean) {
      misuse(name, mask.site(),
             std::string("it combines masks of dtype bool, not ") + attune::name(mask->dtype()),
             "A comparison such as x > 0 makes one.");
    }
  }
  const Shape shape = broadcast_shapes(name, a.site(), a->shape(), b->shape());
  return evaluate<bool, bool, bool>(predicate, shape, *a, *b);
}

constexpr auto equal = [](auto x, auto y) { return x == y; };
constexpr auto unequal = [](auto x, auto y) { return x != y; };
constexpr auto less = [](auto x, auto y) { return x < y; };
constexpr auto less_or_equal = [](auto x, auto y) { return x <= y; };
constexpr auto greater = [](auto x, auto y) { return x > y; };
constexpr auto greater_or_equal = [](auto x, auto y) { return x >= y; };

}  // namespace

Tensor eq(Operand a, Operand b) {
  return compare("eq", a, b, equal);
}
Tensor ne(Operand a, Operand b) {
  return compare("ne", a, b, unequal);
}
Tensor lt(Operand a, Operand b) {
  return compare("lt", a, b, less);
}
Tensor le(Operand a, Operand b) {
  return compare("le", a, b, less_or_equal);
}
Tensor gt(Operand a, Operand b) {
  return compare("gt", a, b, greater);
}
Tensor ge(Operand a, Operand b) {
  return compare("ge", a, b, greater_or_equal);
}
Tensor eq(Operand a, Scalar b) {
  return compare(a, b, equal);
}
Tensor ne(Operand a, Scalar b) {
  return compare(a, b, unequal);
}
Tensor lt(Operand a, Scalar b) {
  return compare(a, b, less);
}
Tensor le(Operand a, Scalar b) {
  return compare(a, b, less_or_equal);
}
Tensor gt(Operand a, Scalar b) {
  return compare(a, b, greater);
}
Tensor ge(Operand a, Scalar b) {
  return compare(a, b, greater_or_equal);
}

Tensor logical_and(Operand a, Operand b) {
  return combine("logical_and", a, b, [](auto x, auto y) { return x && y; });
}

Tensor logical_or(Operand a, Operand b) {
  return combine("logical_or", a, b, [](auto x, auto y) { return x || y; });
}

Tensor logical_not(Operand mask) {
  return combine("logical_not", mask, mask, [](auto x, auto) { return !x; });
}

}  // namespace attune
