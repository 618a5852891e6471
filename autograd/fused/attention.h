#pragma once
// Attention of several heads by scaled dot products (Vaswani et al. 2017) over the real steps of
// two batches, as one op.

#include "autograd/steps.h"
#include "autograd/tensor.h"

namespace attune {

struct RowAttention {
  Steps of_queries, of_keys;  // both StepOrder::by_row, of as many rows
  std::int64_t heads;
  double scale;
  bool causal = false;  // no step sees a later one; the last query stands beside the last key

  // How many weights there are: of each sentence, [heads, queries, keys], one after the other.
  std::int64_t weights(Site site = Site::current()) const;
};

// For every head: softmax(scale q k^T) v, over queries [steps, features], keys and values [steps',
// features], of which a head has features / heads. Returns the contexts [steps, features]; a query
// that sees no key gets 0. `factors` [weights], if defined, are what each weight is multiplied by
// before the values are summed, such as dropout's. Error if the shapes do not fit.
Tensor row_attention(Operand queries, Operand keys, Operand values, const RowAttention& how,
                     const Tensor& factors = {});

// The same in ordinary ops, which define it.
Tensor row_attention_composition(const Tensor& queries, const Tensor& keys, const Tensor& values,
                                 const RowAttention& how, const Tensor& factors = {});

}  // namespace attune
