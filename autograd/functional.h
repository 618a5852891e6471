#pragma once
// Derivatives as functions of functions. Here f is any function of tensors, not a recorded result:
//
//     const auto f = [](const Tensors& x) { return sum(tanh(x[0]) * x[1]); };
//     const Tensors gradient = functional::grad(f)({a, b});
//     const Tensors hessian_times_v = functional::hvp(f, {a, b}, {v, w});
//
// All take the inputs as they are and touch no leaf's .grad(). What they return can itself be
// differentiated by the inputs that require a gradient, so they nest: grad(grad(f)).

#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/tensor.h"

namespace attune {

using Tensors = std::vector<Tensor>;

// A function of tensors: anything that can be called with a vector of them, and returns one Tensor
// or a vector of them.
class TensorFunction {
 public:
  template <class F>
  requires(std::is_invocable_v<const F&, const Tensors&>) TensorFunction(F f)
      : function_([f = std::move(f)](const Tensors& inputs) -> Tensors {
          if constexpr (std::is_convertible_v<decltype(f(inputs)), Tensor>) {
            return {f(inputs)};
          } else {
            return f(inputs);
          }
        }) {}

  Tensors operator()(const Tensors& inputs) const { return function_(inputs); }

 private:
  std::function<Tensors(const Tensors&)> function_;
};

// f(inputs) without keeping what its ops save: the backward pass computes it once more, with the
// random numbers of the first time (Chen et al. 2016, "Training deep nets with sublinear memory
// cost"). Gradients reach the inputs and whatever else f reads, parameters included. f is
// kept until then: it must own what it reads, and compute the same when it is called again.
Tensors checkpoint(const TensorFunction& f, const Tensors& inputs, Site site = Site::current());

namespace functional {

// sum_k v_k . d outputs_k / d inputs_i for each i, of outputs that have been recorded; zeros where
// they do not depend on an input. `create_graph` records the result.
Tensors pull_back(const Tensors& outputs, const Tensors& inputs, const Tensors& v,
                  bool create_graph = false);

// x -> the derivatives of f(x), which is one scalar, by each x_i; zeros where it does not depend on
// one.
TensorFunction grad(const TensorFunction& f);

// The vector-Jacobian product: sum_k v_k . d f(x)_k / d x_i for each input i. `v` has the shapes of
// the outputs.
Tensors vjp(const TensorFunction& f, const Tensors& x, const Tensors& v);

// The Jacobian-vector product: sum_i d f(x)_k / d x_i . t_i for each output k, the derivative of f
// along t, which has the shapes of the inputs. By reverse mode twice: v -> vjp(f, x, v) is linear,
// and its own vjp is this.
Tensors jvp(const TensorFunction& f, const Tensors& x, const Tensors& t);

// The product of the Hessian of f(x), one scalar, with t, which has the shapes of the inputs.
Tensors hvp(const TensorFunction& f, const Tensors& x, const Tensors& t);

// d f(x)_k / d x_i as result[k][i], of shape [shape of the output..., shape of the input...]. One
// backward pass an element of the outputs.
std::vector<Tensors> jacobian(const TensorFunction& f, const Tensors& x);

// d^2 f(x) / d x_i d x_j of a scalar f as result[i][j], of shape [shape of x_i..., shape of
// x_j...].
std::vector<Tensors> hessian(const TensorFunction& f, const Tensors& x);

}  // namespace functional
}  // namespace attune
