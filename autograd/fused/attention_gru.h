#pragma once
// The decoder of Bahdanau, Cho & Bengio (2015) over a whole target, as one op: at every step
// additive attention with the state so far, and then a GRU.

#include <optional>

#include "autograd/steps.h"
#include "autograd/tensor.h"

namespace attune {

// All differentiable but the mask.
struct AttentionGRUInputs {
  Tensor input;           // [steps, 3 hidden]: W_i x + b_i of each step's own input x
  Tensor initial;         // [batch, hidden]
  Tensor keys;            // [batch, source, attention]
  Tensor values;          // [batch, source, features]
  Tensor query_weight;    // W [attention, hidden]
  Tensor v;               // [attention]
  Tensor context_weight;  // [3 hidden, features]: what the context gives to the gates; undefined
                          // where the values, of 3 hidden features, are already multiplied by it
  Tensor weight;          // [3 hidden, hidden], with `bias` [3 hidden] as in gru.h
  Tensor bias;
  Tensor mask;  // bool [batch, source], true where not to look; undefined for none
  // Where keys and values are packed, [places, attention] and [places, features], their steps by
  // row, and no mask; [steps, source] below has as many columns as the longest row may have steps.
  std::optional<Steps> source = std::nullopt;
};

struct AttentionGRUResult {
  Tensor output;   // [steps, hidden]: the state after every step
  Tensor weights;  // [steps, source]: where each step looked; to be seen, not differentiated
};

// With the equations of nn/rnn.h and
//
//     e_j = v . tanh(W h + keys_j),   weights = softmax(e),   context = weights values
//
// each step takes input + context_weight context for its gates' input. (The product can be taken
// before the mean, once for every value, where there are fewer values than steps to come.) The real
// steps of all targets are `steps`, which run forwards. Error if the shapes do not fit.
AttentionGRUResult attention_gru(const AttentionGRUInputs& inputs, const Steps& steps,
                                 Site site = Site::current());

// The same in ordinary ops, which define it.
AttentionGRUResult attention_gru_composition(const AttentionGRUInputs& inputs, const Steps& steps);

}  // namespace attune
