#pragma once
// Long short-term memory as a fused op. The equations stand at nn/rnn.h.

#include "autograd/steps.h"
#include "autograd/tensor.h"

namespace attune {

struct LSTMSequence {
  Tensor output;     // [steps, hidden]: the state after every step
  Tensor last;       // [batch, hidden]: the state after each row's last step, or its initial one
  Tensor last_cell;  // [batch, hidden]: likewise
};

// The unit over whole sequences, whose real steps are `steps`: input [steps, 4 hidden] holds W_i x
// + b_i of each, in their order; state and cell [batch, hidden] are the initial ones, weight [4
// hidden, hidden], bias [4 hidden]; the gates are stacked i, f, g, o.
LSTMSequence lstm_sequence(Operand input, Operand state, Operand cell, Operand weight, Operand bias,
                           const Steps& steps);

// The same in ordinary ops, which define it.
LSTMSequence lstm_sequence_composition(const Tensor& input, const Tensor& state, const Tensor& cell,
                                       const Tensor& weight, const Tensor& bias,
                                       const Steps& steps);

// One step from the sum of both products, gates [batch, 4 hidden]: the new state and cell.
std::pair<Tensor, Tensor> lstm_step(const Tensor& gates, const Tensor& cell);

}  // namespace attune
