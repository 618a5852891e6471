#pragma once
// What a model that reads a source and writes a target must offer, so that training, greedy
// decoding, beam search and pictures of attention serve them all: seq2seq.h wraps it.

#include <vector>

#include "autograd/steps.h"
#include "nn/linear.h"

namespace attune::nn {

// The id of padding, in sources and in targets.
inline constexpr std::int64_t padding_id = 0;

// Sentences side by side, padded at the end.
struct Batch {
  Tensor source;          // int64 [batch, source]
  Tensor source_lengths;  // int64 [batch]
  Tensor target_in;       // int64 [batch, target]: begins with <bos>
  Tensor target_out;      // int64 [batch, target]: target_in one step ahead, ends with <eos>
};

// What the decoder looks at: the source as the encoder saw it. Row i of every tensor is sentence i.
struct Memory {
  // Prepared for the score, one tensor for each layer that attends; empty without attention.
  std::vector<Tensor> keys;
  std::vector<Tensor> values;
  Tensor mask;  // [batch, 1, source], true at padding; undefined without attention
};

// Where the decoder stands, in tensors of which row i is sentence i.
using DecoderState = std::vector<Tensor>;

struct Encoded {
  Memory memory;
  DecoderState state;
};

// What one step of the decoder finds.
struct Step {
  DecoderState state;
  Tensor output;   // [batch, features]: what the next token is chosen from
  Tensor weights;  // [batch, source]: where it looked; undefined without attention
};

class EncoderDecoder : public Module {
 public:
  // source int64 [batch, source], lengths int64 [batch].
  virtual Encoded encode(const Tensor& source, const Tensor& lengths) const = 0;
  // One step of the decoder from the tokens before it, int64 [batch].
  virtual Step step(const Tensor& previous, const DecoderState& state,
                    const Memory& memory) const = 0;
  // The outputs [steps, features] of all steps within the targets' lengths (int64 [batch], or
  // undefined where all are wanted) at once, from the tokens before each.
  virtual Packed outputs(const Batch& batch, const Tensor& target_lengths) const = 0;
  // Outputs [.., features] -> scores of the next token [.., target vocabulary].
  virtual const Linear& output_layer() const = 0;
};

}  // namespace attune::nn
