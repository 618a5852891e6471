#pragma once
// Adam's step as one pass over a parameter.

#include "autograd/tensor.h"

namespace attune {

// One step of Adam (Kingma & Ba 2015) with weight decay. With t steps taken, this one included:
//
//     g = scale g + decay p                     (weight decay as an L2 penalty), or
//     p = p - rate decay p                      (decoupled: Loshchilov & Hutter 2019)
//     m = beta1 m + (1 - beta1) g
//     v = beta2 v + (1 - beta2) g^2
//     p = p - rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
struct AdamStep {
  double rate;
  double beta1;
  double beta2;
  double epsilon;
  double decay;
  bool decoupled;
  double scale;  // of the gradient: 1, or less to clip it
  std::int64_t t;
};

// Changes the parameter and its two moments in place. All four tensors have one shape and floating
// dtype; parameter and moments are contiguous.
void adam_step(Tensor& parameter, const Tensor& gradient, Tensor& m, Tensor& v,
               const AdamStep& step);
// The same in ordinary ops: what adam_step must equal.
void adam_composition(Tensor& parameter, const Tensor& gradient, Tensor& m, Tensor& v,
                      const AdamStep& step);
// The same dividing by the largest second moment so far, `largest` (Reddi, Kale & Kumar 2018).
void amsgrad_composition(Tensor& parameter, const Tensor& gradient, Tensor& m, Tensor& v,
                         Tensor& largest, const AdamStep& step);

// The sum of the squares of all elements, as clipping by norm needs it.
double sum_of_squares(const Tensor& x);

}  // namespace attune
