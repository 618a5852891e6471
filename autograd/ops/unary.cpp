// Functions of one number, each beside its derivative.

#include <numbers>

#include "autograd/op.h"

namespace attune {
namespace {

constexpr double sqrt_half = std::numbers::sqrt2 / 2;
constexpr double density_at_0 = std::numbers::inv_sqrtpi * sqrt_half;  // of the normal distribution
constexpr double gelu_scale = 2 * density_at_0;
constexpr double gelu_cubic = 0.044715;

}  // namespace

Tensor exp(Operand x) {
  return unary<Saves::output>(
      "exp", x, [](auto x) { return exp(x); }, [](auto g, auto y) { return g * y; });
}

Tensor expm1(Operand x) {
  return unary<Saves::output>(
      "expm1", x, [](auto x) { return expm1(x); }, [](auto g, auto y) { return g * (y + 1); });
}

Tensor log(Operand x) {
  return unary<Saves::input>(
      "log", x, [](auto x) { return log(x); }, [](auto g, auto x) { return g / x; });
}

Tensor log1p(Operand x) {
  return unary<Saves::input>(
      "log1p", x, [](auto x) { return log1p(x); }, [](auto g, auto x) { return g / (x + 1); });
}

Tensor sqrt(Operand x) {
  return unary<Saves::output>(
      "sqrt", x, [](auto x) { return sqrt(x); }, [](auto g, auto y) { return g / (y * 2); });
}

Tensor reciprocal(Operand x) {
  return unary<Saves::output>(
      "reciprocal", x, [](auto x) { return 1 / x; }, [](auto g, auto y) { return -g * y * y; });
}

Tensor square(Operand x) {
  return unary<Saves::input>(
      "square", x, [](auto x) { return x * x; }, [](auto g, auto x) { return g * x * 2; });
}

Tensor abs(Operand x) {
  return unary<Saves::input>(
      "abs", x, [](auto x) { return abs(x); },
      [](auto g, auto x) { return where(x > 0, g, where(x < 0, -g, constant(g, 0))); });
}

Tensor sin(Operand x) {
  return unary<Saves::input>(
      "sin", x, [](auto x) { return sin(x); }, [](auto g, auto x) { return g * cos(x); });
}

Tensor cos(Operand x) {
  return unary<Saves::input>(
      "cos", x, [](auto x) { return cos(x); }, [](auto g, auto x) { return -g * sin(x); });
}

Tensor tanh(Operand x) {
  return unary<Saves::output>(
      "tanh", x, [](auto x) { return tanh(x); }, [](auto g, auto y) { return g * (1 - y * y); });
}

Tensor sigmoid(Operand x) {
  return unary<Saves::output>(
      "sigmoid", x, [](auto x) { return sigmoid(x); },
      [](auto g, auto y) { return g * y * (1 - y); });
}

// d erf / dx = 2 / sqrt(pi) e^(-x^2)
Tensor erf(Operand x) {
  return unary<Saves::input>(
      "erf", x, [](auto x) { return erf(x); },
      [](auto g, auto x) { return g * exp(-x * x) * constant(x, 2 * std::numbers::inv_sqrtpi); });
}

Tensor relu(Operand x) {
  return unary<Saves::output>(
      "relu", x, [](auto x) { return where(x < 0, constant(x, 0), x); },
      [](auto g, auto y) { return where(y > 0, g, constant(g, 0)); });
}

Tensor leaky_relu(Operand x, double negative_slope) {
  return unary<Saves::input>(
      "leaky_relu", x,
      [negative_slope](auto x) { return where(x > 0, x, x * constant(x, negative_slope)); },
      [negative_slope](auto g, auto x) {
        return where(x > 0, g, g * constant(g, negative_slope));
      });
}

Tensor silu(Operand x) {
  return unary<Saves::input>(
      "silu", x, [](auto x) { return x * sigmoid(x); },
      [](auto g, auto x) {
        const auto s = sigmoid(x);
        return g * s * (1 + x * (1 - s));
      });
}

// log(1 + e^x) = max(x, 0) + log1p(e^-|x|), which overflows nowhere.
Tensor softplus(Operand x) {
  return unary<Saves::input>(
      "softplus", x, [](auto x) { return where(x > 0, x, constant(x, 0)) + log1p(exp(-abs(x))); },
      [](auto g, auto x) { return g * sigmoid(x); });
}

// x Phi(x), with Phi(x) = (1 + erf(x / sqrt 2)) / 2 the normal distribution function; its
// derivative is Phi(x) + x phi(x), with phi(x) = e^(-x^2 / 2) / sqrt(2 pi).
Tensor gelu(Operand x) {
  return unary<Saves::input>(
      "gelu", x, [](auto x) { return x * (1 + erf(x * constant(x, sqrt_half))) / 2; },
      [](auto g, auto x) {
        const auto distribution = (1 + erf(x * constant(x, sqrt_half))) / 2;
        const auto density = exp(-x * x / 2) * constant(x, density_at_0);
        return g * (distribution + x * density);
      });
}

// x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3) (Hendrycks & Gimpel 2016).
Tensor gelu_tanh(Operand x) {
  constexpr auto tanh_u = [](auto x) {
    return tanh((x + x * x * x * constant(x, gelu_cubic)) * constant(x, gelu_scale));
  };
  return unary<Saves::input>(
      "gelu_tanh", x, [tanh_u](auto x) { return x * (1 + tanh_u(x)) / 2; },
      [tanh_u](auto g, auto x) {
        const auto t = tanh_u(x);
        const auto slope = (1 + x * x * constant(x, 3 * gelu_cubic)) * constant(x, gelu_scale);
        return g * (1 + t + x * (1 - t * t) * slope) / 2;
      });
}

Tensor clamp(Operand x, double low, double high) {
  return unary<Saves::input>(
      "clamp", x,
      [low, high](auto x) {
        const auto raised = where(x < constant(x, low), constant(x, low), x);
        return where(raised > constant(x, high), constant(x, high), raised);
      },
      [low, high](auto g, auto x) {
        return where(x < constant(x, low), constant(g, 0),
                     where(x > constant(x, high), constant(g, 0), g));
      });
}

}  // namespace attune
