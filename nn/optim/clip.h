#pragma once

#include <vector>

#include "autograd/tensor.h"

namespace attune::optim {

// The Euclidean norm of all gradients together, as if they were one vector (Pascanu, Mikolov &
// Bengio 2013). Summed in double precision; not finite if a gradient is not.
double gradient_norm(const std::vector<Tensor>& parameters);

// By how much gradients of that norm must be scaled to have at most `max_norm`: what Adam::step()
// takes. 1 for a norm that is not finite, for no scale would mend it.
double clip_scale(double norm, double max_norm);

// Scales the gradients down in place so that their norm is at most `max_norm`; the norm before.
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm);

// Holds every element of the gradients, in place, within [-limit, limit].
void clip_grad_value(const std::vector<Tensor>& parameters, double limit);

}  // namespace attune::optim
