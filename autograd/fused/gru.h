#pragma once
// The gated recurrent unit as fused ops. The equations stand at nn/rnn.h.

#include "autograd/tensor.h"

namespace attune {

// The next state from W_i x + b_i [batch, 3 hidden], W_h h + b_h [batch, 3 hidden] and h [batch,
// hidden]; the gates are stacked r, z, n.
Tensor gru_gates(Operand input, Operand recurrent, Operand h);

struct GRUSequence {
  Tensor output;  // [batch, time, hidden]: the state after every step, 0 past a row's length
  Tensor state;   // [batch, hidden]: the last one
};

// The unit over a whole sequence, forwards or in reverse: input [batch, time, 3 hidden] holds
// W_i x + b_i of every step, initial [batch, hidden], weight [3 hidden, hidden], bias [3 hidden].
// Steps at and past a row's length (int64 [batch], within 0 .. time; undefined where all are real)
// leave its state.
GRUSequence gru_sequence(Operand input, Operand initial, Operand weight, Operand bias,
                         const Tensor& lengths, bool reverse);

// The same two functions in ordinary ops, which define them.
Tensor gru_gates_composition(const Tensor& input, const Tensor& recurrent, const Tensor& h);
GRUSequence gru_sequence_composition(const Tensor& input, const Tensor& initial,
                                     const Tensor& weight, const Tensor& bias,
                                     const Tensor& lengths, bool reverse);

}  // namespace attune
