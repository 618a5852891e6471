#pragma once
// Small models that know their pairs by heart, trained here in a moment.

#include <string>
#include <vector>

#include "nn/checkpoint.h"
#include "nn/data/pairs.h"
#include "nn/translator.h"

// A model in evaluation mode.
attune::nn::Checkpoint trained_checkpoint(
    const std::vector<attune::data::Pair>& pairs, attune::data::Tokens tokens,
    attune::nn::Attention attention = attune::nn::Attention::additive);

// Short texts and the same backwards, in letters of one and of two columns.
const std::vector<attune::data::Pair>& reversals();
const std::vector<attune::data::Pair>& german();

// The checkpoints of these, trained once.
const attune::nn::Checkpoint& reversing_model();
const attune::nn::Checkpoint& german_model();
