#pragma once
// What greedy decoding takes from the logits of a step, without the probabilities of all the rest.

#include "autograd/tensor.h"

namespace attune {

struct MostProbable {
  Tensor classes;            // int64 [rows]: the first of those with the largest logit
  Tensor log_probabilities;  // [rows]: log softmax of that logit
};

// Of each row of the logits [rows, classes], of which there is at least one class. Not to be
// differentiated.
MostProbable most_probable(Operand logits);

// The same in ordinary ops, which define it.
MostProbable most_probable_composition(const Tensor& logits);

}  // namespace attune
