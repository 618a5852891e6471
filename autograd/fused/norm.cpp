// Layer normalisation and root-mean-square normalisation, in two passes over memory instead of the
// ten of their compositions.

#include "autograd/fused/norm.h"

#include <fmt/format.h>

#include "autograd/fused/fused.h"
#include "autograd/kernels/norm.h"

namespace attune {
namespace {

void check(const char* name, Operand x, const Tensor& weight, const Tensor& bias, double eps) {
  detail::check_floating(name, x);
  if (x->rank() == 0) {
    misuse(name, x.site(), "a scalar has no features to normalise", "It takes [.., features].");
  }
  for (const auto& [what, tensor] : {std::pair("weight", weight), std::pair("bias", bias)}) {
    if (!tensor.defined()) continue;
    detail::check_same_dtype(name, x, {tensor, x.site()});
    if (tensor.shape() != Shape{x->size(-1)}) {
      misuse(name, x.site(),
             fmt::format("the {} {} does not fit the {} features of {}", what,
                         to_string(tensor.shape()), x->size(-1), to_string(x->shape())));
    }
  }
  if (!(eps >= 0)) misuse(name, x.site(), fmt::format("eps is {}, and must not be negative", eps));
}

template <class T>
T* elements(const Tensor& tensor) {
  return tensor.defined() ? tensor.raw<T>() : nullptr;
}

std::optional<Saved> save_if_defined(const Tensor& tensor) {
  return tensor.defined() ? std::optional(save(tensor)) : std::nullopt;
}

// What the forward pass leaves for the backward pass.
struct Kept {
  Tensor x, weight, mean, scale;
  bool centred;
};

// The gradients of x, weight and bias; those of no need are undefined.
std::vector<Tensor> backward(const Kept& kept, Operand gradient, const std::array<bool, 3>& needs) {
  const Tensor g = gradient->contiguous();
  const std::int64_t features = g.size(-1);
  const Tensor by_x = needs[0] ? empty(g.shape(), g.dtype()) : Tensor();
  const Tensor by_weight = needs[1] ? empty({features}, g.dtype()) : Tensor();
  const Tensor by_bias = needs[2] ? empty({features}, g.dtype()) : Tensor();
  dispatch_floating(g.dtype(), [&]<class T>(T) {
    norm_backward<T>({kept.mean.numel(), features, kept.centred, g.raw<T>(), kept.x.raw<T>(),
                      elements<T>(kept.weight), kept.mean.raw<T>(), kept.scale.raw<T>(),
                      elements<T>(by_x), elements<T>(by_weight), elements<T>(by_bias)});
  });
  return {by_x, by_weight, by_bias};
}

// The op over x and those of weight and bias that are there. `composition(x, weight, bias)` is the
// function in ordinary ops.
template <class Composition>
Tensor norm(OpName name, Operand x, const Tensor& weight, const Tensor& bias, double eps,
            bool centred, Composition composition) {
  check(name.text, x, weight, bias, eps);
  const Tensor rows = x->detach().contiguous();
  const Tensor w = weight.defined() ? weight.detach().contiguous() : Tensor();
  const Tensor b = bias.defined() ? bias.detach().contiguous() : Tensor();
  const Shape of_rows(std::span(x->shape().begin(), x->rank() - 1));
  const Tensor mean = empty(of_rows, x->dtype());
  const Tensor scale = empty(of_rows, x->dtype());
  Tensor y = empty(x->shape(), x->dtype());
  dispatch_floating(x->dtype(), [&]<class T>(T) {
    norm_forward<T>({mean.numel(), x->size(-1), centred, eps, rows.raw<T>(), elements<T>(w),
                     elements<T>(b), mean.raw<T>(), scale.raw<T>(), y.raw<T>()});
  });

  std::vector<Operand> inputs{x};
  if (weight.defined()) inputs.emplace_back(weight, x.site());
  if (bias.defined()) inputs.emplace_back(bias, x.site());
  const bool with_weight = weight.defined();
  const auto by_kernel = [rows = save(rows), w = save_if_defined(w), mean = save(mean),
                          scale = save(scale), centred,
                          with_weight](std::span<const Tensor> g, const Needs& needs) {
    const bool with_bias = needs.size() == (with_weight ? 3u : 2u);
    const std::array wanted{needs[0], with_weight && needs[1], with_bias && needs.back()};
    std::vector<Tensor> results =
        backward({rows(), w ? (*w)() : Tensor(), mean(), scale(), centred}, g[0], wanted);
    if (!with_bias) results.erase(results.begin() + 2);
    if (!with_weight) results.erase(results.begin() + 1);
    return results;
  };
  const auto by_composition = [composition, with_weight](const std::vector<Tensor>& in) {
    const bool with_bias = in.size() == (with_weight ? 3u : 2u);
    return std::vector{
        composition(in[0], with_weight ? in[1] : Tensor(), with_bias ? in.back() : Tensor())};
  };
  return apply(name, inputs, std::move(y), fused_rule(inputs, by_kernel, by_composition));
}

Tensor scaled(Tensor normal, const Tensor& weight, const Tensor& bias) {
  if (weight.defined()) normal = normal * weight;
  if (bias.defined()) normal = normal + bias;
  return normal;
}

}  // namespace

Tensor layer_norm_composition(const Tensor& x, const Tensor& weight, const Tensor& bias,
                              double eps) {
  const Tensor centred = x - mean(x, {-1}, true);
  const Tensor variance = mean(square(centred), {-1}, true);
  return scaled(centred / sqrt(variance + eps), weight, bias);
}

Tensor rms_norm_composition(const Tensor& x, const Tensor& weight, double eps) {
  return scaled(x / sqrt(mean(square(x), {-1}, true) + eps), weight, {});
}

Tensor layer_norm(Operand x, const Tensor& weight, const Tensor& bias, double eps) {
  return norm("layer_norm", x, weight, bias, eps, true,
              [eps](const Tensor& in, const Tensor& w, const Tensor& b) {
                return layer_norm_composition(in, w, b, eps);
              });
}

Tensor rms_norm(Operand x, const Tensor& weight, double eps) {
  return norm("rms_norm", x, weight, {}, eps, false,
              [eps](const Tensor& in, const Tensor& w, const Tensor&) {
                return rms_norm_composition(in, w, eps);
              });
}

}  // namespace attune
