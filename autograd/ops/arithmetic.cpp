// Arithmetic between tensors, and between a tensor and a number.

#include "autograd/op.h"

namespace attune {

Tensor add(Operand a, Operand b) {
  return binary<Dtypes::numeric>(
      "add", a, b, [](auto x, auto y) { return x + y; },
      derivative<Uses::nothing>([](auto g) { return g; }),
      derivative<Uses::nothing>([](auto g) { return g; }));
}

Tensor sub(Operand a, Operand b) {
  return binary<Dtypes::numeric>(
      "sub", a, b, [](auto x, auto y) { return x - y; },
      derivative<Uses::nothing>([](auto g) { return g; }),
      derivative<Uses::nothing>([](auto g) { return -g; }));
}

Tensor mul(Operand a, Operand b) {
  return binary<Dtypes::numeric>(
      "mul", a, b, [](auto x, auto y) { return x * y; },
      derivative<Uses::b>([](auto g, auto y) { return g * y; }),
      derivative<Uses::a>([](auto g, auto x) { return g * x; }));
}

Tensor div(Operand a, Operand b) {
  return binary(
      "div", a, b, [](auto x, auto y) { return x / y; },
      derivative<Uses::b>([](auto g, auto y) { return g / y; }),
      derivative<Uses::both>([](auto g, auto x, auto y) { return -g * x / (y * y); }));
}

// At 0 the derivatives are limits: x^0 is constant in x, and 0^p in p.
Tensor pow(Operand x, Operand exponent) {
  return binary(
      "pow", x, exponent, [](auto x, auto p) { return pow(x, p); },
      derivative<Uses::both>([](auto g, auto x, auto p) {
        return g * p * pow(where(abs(x) + abs(p) > 0, x, constant(x, 1)), p - 1);
      }),
      derivative<Uses::both>([](auto g, auto x, auto p) {
        return g * pow(x, p) * log(where(abs(x) > 0, x, constant(x, 1)));
      }));
}

// x != x where x is no number; the result is none then either, as where y is not.
Tensor maximum(Operand a, Operand b) {
  return binary<Dtypes::numeric>(
      "maximum", a, b, [](auto x, auto y) { return x > y || x != x ? x : y; },
      derivative<Uses::both>([](auto g, auto x, auto y) {
        return where(x > y, g, where(x < y, constant(g, 0), g / 2));
      }),
      derivative<Uses::both>([](auto g, auto x, auto y) {
        return where(x < y, g, where(x > y, constant(g, 0), g / 2));
      }));
}

Tensor minimum(Operand a, Operand b) {
  return binary<Dtypes::numeric>(
      "minimum", a, b, [](auto x, auto y) { return x < y || x != x ? x : y; },
      derivative<Uses::both>([](auto g, auto x, auto y) {
        return where(x < y, g, where(x > y, constant(g, 0), g / 2));
      }),
      derivative<Uses::both>([](auto g, auto x, auto y) {
        return where(x > y, g, where(x < y, constant(g, 0), g / 2));
      }));
}

Tensor neg(Operand x) {
  return unary<Saves::nothing, Dtypes::numeric>(
      "neg", x, [](auto x) { return -x; }, [](auto g) { return -g; });
}

Tensor add(Operand a, Scalar b) {
  return unary<Saves::nothing, Dtypes::numeric>(
      "add", a, [b = b.value](auto x) { return x + constant(x, b); }, [](auto g) { return g; });
}

Tensor sub(Operand a, Scalar b) {
  return add(a, -b.value);
}

Tensor sub(Scalar a, Operand b) {
  return unary<Saves::nothing, Dtypes::numeric>(
      "sub", b, [a = a.value](auto x) { return constant(x, a) - x; }, [](auto g) { return -g; });
}

Tensor mul(Operand a, Scalar b) {
  return unary<Saves::nothing, Dtypes::numeric>(
      "mul", a, [b = b.value](auto x) { return x * constant(x, b); },
      [b = b.value](auto g) { return g * b; });
}

Tensor div(Operand a, Scalar b) {
  return unary<Saves::nothing>(
      "div", a, [b = b.value](auto x) { return x / constant(x, b); },
      [b = b.value](auto g) { return g / b; });
}

Tensor div(Scalar a, Operand b) {
  return unary<Saves::input>(
      "div", b, [a = a.value](auto x) { return constant(x, a) / x; },
      [a = a.value](auto g, auto x) { return g * constant(x, -a) / (x * x); });
}

Tensor pow(Operand x, Scalar exponent) {
  return unary<Saves::input>(
      "pow", x, [p = exponent.value](auto x) { return pow(x, constant(x, p)); },
      [p = exponent.value](auto g, auto x) {
        return p == 0 ? g * constant(g, 0) : g * (pow(x, constant(x, p - 1)) * constant(x, p));
      });
}

}  // namespace attune
