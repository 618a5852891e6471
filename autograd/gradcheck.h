#pragma once
// The examination of a derivative: what the rules compute against what differences of function
// values say. Every op, layer and fused kernel passes it, and so should one of your own:
//
//     const auto f = [](const std::vector<Tensor>& x) { return my_op(x[0], x[1]); };
//     const GradcheckReport report = gradcheck(f, {a, b});
//     if (!report) std::cerr << report;

#include <iosfwd>
#include <string>
#include <vector>

#include "autograd/functional.h"

namespace attune {

struct GradcheckOptions {
  // An element x is moved by eps max(1, |x|) to either side.
  double eps = 1e-6;
  // The derivatives agree if |analytic - numeric| <= atol + rtol |numeric|.
  double atol = 1e-7;
  double rtol = 1e-5;
  // Of the random weights of the outputs.
  std::uint64_t seed = 0;
};

struct GradcheckReport {
  // An element whose derivatives disagree.
  struct Mismatch {
    std::size_t input;  // its place in `inputs`; in gradgradcheck the gradients that come in follow
    Dims index;
    double analytic;
    double numeric;
  };
  std::vector<Mismatch> mismatches;
  // What is wrong, in sentences; empty if nothing is.
  std::string message;

  explicit operator bool() const { return message.empty(); }
};
std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);

// Compares the derivative of sum_k sum(w_k * function(inputs)_k), for random weights w, by every
// element of the inputs with the central difference (f(x + h) - f(x - h)) / 2h. Also compares the
// values that the function has when it is recorded and under NoGrad, which must agree to 1e-12.
//
// The inputs are float64 leaves that require gradients, of any shape and strides, and may be
// parameters that the function uses without being handed them. They are changed in place meanwhile,
// and have their old bits afterwards. Elements that share memory are moved together. The function
// must be smooth around the inputs, and give the same values whenever it is called; what it returns
// is float64. Throws Error where this is not so.
GradcheckReport gradcheck(const TensorFunction& function, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {}, Site site = Site::current());

// The same for the derivative of the function, as a function of the inputs and of the gradients
// that come in at its outputs. So the derivative that backward() computes with create_graph must
// also be the one it computes without, to 1e-12, though rules may compute the two in different
// ways.
GradcheckReport gradgradcheck(const TensorFunction& function, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options = {}, Site site = Site::current());

}  // namespace attune
