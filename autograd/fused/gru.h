#pragma once
// The gated recurrent unit as fused ops. The equations stand at nn/rnn.h.

#include "autograd/steps.h"
#include "autograd/tensor.h"

namespace attune {

// The next state from W_i x + b_i [batch, 3 hidden], W_h h + b_h [batch, 3 hidden] and h [batch,
// hidden]; the gates are stacked r, z, n.
Tensor gru_gates(Operand input, Operand recurrent, Operand h);

struct GRUSequence {
  Tensor output;  // [steps, hidden]: the state after every step
  Tensor last;    // [batch, hidden]: the state after each row's last step, or its initial one
};

// The unit over whole sequences, whose real steps are `steps`: input [steps, 3 hidden] holds W_i x
// + b_i of each, in their order; initial [batch, hidden], weight [3 hidden, hidden], bias [3
// hidden].
GRUSequence gru_sequence(Operand input, Operand initial, Operand weight, Operand bias,
                         const Steps& steps);

// The same two functions in ordinary ops, which define them.
Tensor gru_gates_composition(const Tensor& input, const Tensor& recurrent, const Tensor& h);
GRUSequence gru_sequence_composition(const Tensor& input, const Tensor& initial,
                                     const Tensor& weight, const Tensor& bias, const Steps& steps);

}  // namespace attune
