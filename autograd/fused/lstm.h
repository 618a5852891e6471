#pragma once
// Long short-term memory as a fused op. The equations stand at nn/rnn.h.

#include "autograd/tensor.h"

namespace attune {

struct LSTMSequence {
  Tensor output;  // [batch, time, hidden]: the state after every step, 0 past a row's length
  Tensor state;   // [batch, hidden]: the last one
  Tensor cell;    // [batch, hidden]: likewise
};

// The unit over a whole sequence, forwards or in reverse: input [batch, time, 4 hidden] holds
// W_i x + b_i of every step, state and cell [batch, hidden] are the initial ones, weight
// [4 hidden, hidden], bias [4 hidden]; the gates are stacked i, f, g, o. Steps at and past a row's
// length (int64 [batch], within 0 .. time; undefined where all are real) leave its state and cell.
LSTMSequence lstm_sequence(Operand input, Operand state, Operand cell, Operand weight, Operand bias,
                           const Tensor& lengths, bool reverse);

// The same in ordinary ops, which define it.
LSTMSequence lstm_sequence_composition(const Tensor& input, const Tensor& state, const Tensor& cell,
                                       const Tensor& weight, const Tensor& bias,
                                       const Tensor& lengths, bool reverse);

// One step from the sum of both products, gates [batch, 4 hidden]: the new state and cell.
std::pair<Tensor, Tensor> lstm_step(const Tensor& gates, const Tensor& cell);

}  // namespace attune
