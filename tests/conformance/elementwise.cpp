#include <limits>

#include "tests/conformance/functions.h"

namespace attune::conformance {
namespace {

template <Tensor (*f)(Operand)>
Results unary(const Arguments& a) {
  return {{f(a.input(0))}};
}

template <Tensor (*f)(Operand, Operand)>
Results binary(const Arguments& a) {
  return {{f(a.input(0), a.input(1))}};
}

Results gelu_of(const Arguments& a) {
  const std::string approximate = a.attributes.text("approximate", "none");
  if (approximate == "tanh") return {{gelu_tanh(a.input(0))}};
  if (approximate == "none") return {{gelu(a.input(0))}};
  throw Error("'" + approximate + "' is no approximation of gelu");
}

Results pow_of(const Arguments& a) {
  if (!a.attributes.has("exponent")) return {{pow(a.input(0), a.input(1))}};
  return {{pow(a.input(0), a.attributes.number("exponent"))}};
}

Results clamp_of(const Arguments& a) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  return {{clamp(a.input(0), a.attributes.number("min", -infinity),
                 a.attributes.number("max", infinity))}};
}

}  // namespace

Functions elementwise() {
  return {
      {"add", binary<add>},
      {"sub", binary<sub>},
      {"mul", binary<mul>},
      {"div", binary<div>},
      {"maximum", binary<maximum>},
      {"minimum", binary<minimum>},
      {"neg", unary<neg>},
      {"exp", unary<exp>},
      {"log", unary<log>},
      {"log1p", unary<log1p>},
      {"expm1", unary<expm1>},
      {"sqrt", unary<sqrt>},
      {"reciprocal", unary<reciprocal>},
      {"square", unary<square>},
      {"tanh", unary<tanh>},
      {"sigmoid", unary<sigmoid>},
      {"relu", unary<relu>},
      {"abs", unary<abs>},
      {"sin", unary<sin>},
      {"cos", unary<cos>},
      {"erf", unary<erf>},
      {"silu", unary<silu>},
      {"softplus", unary<softplus>},
      {"gelu", gelu_of},
      {"leaky_relu",
       [](const Arguments& a) -> Results {
         return {{leaky_relu(a.input(0), a.attributes.number("negative_slope", 0.01))}};
       }},
      {"pow", pow_of},
      {"clamp", clamp_of},
      {"where",
       [](const Arguments& a) -> Results { return {{where(a.input(0), a.input(1), a.input(2))}}; }},
      {"masked_fill",
       [](const Arguments& a) -> Results {
         return {{masked_fill(a.input(0), a.input(1), a.attributes.number("value"))}};
       }},
  };
}

}  // namespace attune::conformance
