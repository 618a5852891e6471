#pragma once
// What `translate` and `evaluate` have in common: a trained model, and how its answers are searched
// for.

#include <cstdint>
#include <string>

#include "nn/checkpoint.h"
#include "nn/translator.h"

namespace seq2seq {

// The file that `seq2seq train` writes by default.
inline constexpr const char* default_model = "dates.safetensors";

struct Decoding {
  std::string model = default_model;
  std::int64_t beam = 1;
  double length_penalty = 0.6;
  std::int64_t max_length = 0;  // tokens; 0: what the training data suggests
};

attune::nn::DecodeOptions decode_options(const Decoding& decoding,
                                         const attune::nn::Checkpoint& checkpoint);

// A checkpoint for use: Error, beginning with the path and telling what to do, if there is none.
attune::nn::Checkpoint open_model(const std::string& path);
// The translator of a checkpoint that was read from `path`, with which its errors begin.
attune::nn::Translator make_translator(const attune::nn::Checkpoint& checkpoint,
                                       const std::string& path);

}  // namespace seq2seq
