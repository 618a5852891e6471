#pragma once
// The examination of a layer. One call finds what usually goes wrong in one, and says so:
//
//     GRU gru(8, 16);
//     const auto forward = [&](const Tensors& in) -> Tensors {
//       const GRU::Result result = gru.forward(in[0], in[1]);
//       return {result.output, result.state};
//     };
//     const Verification report = verify(
//         gru, forward, {{x, Role::sequence}, {lengths, Role::lengths}},
//         {.outputs = {Role::sequence, Role::states}});
//     if (!report) std::cerr << report;

#include <iosfwd>
#include <string>
#include <vector>

#include "autograd/functional.h"
#include "nn/module.h"

namespace attune::nn {

// What a tensor that goes into a layer or comes out of it is.
enum class Role {
  rows,          // [batch, ..]: each row for itself
  sequence,      // [batch, time, ..]: true as far as the lengths or the padding mask say
  states,        // [layers, batch, ..]
  lengths,       // int64 [batch]: how many steps of each sequence are real
  padding_mask,  // bool [batch, time]: true where the step of a sequence is padding
  shared,        // has no batch dimension
};

struct Example {
  Example(Tensor tensor, Role as = Role::rows) : value(std::move(tensor)), role(as) {}
  Tensor value;
  Role role;
};

struct VerifyOptions {
  // One role an output. By default all are rows.
  std::vector<Role> outputs = {};
  // Whether an output sequence may look at no later step of the input sequences.
  bool causal = false;
  // How far float32 may be from float64, relative to the largest element or to 1.
  double float32_tolerance = 1e-4;
  // Whether the second derivative is examined too; it takes the longest.
  bool second_order = true;
};

// What one check found.
struct Finding {
  enum class Result { passed, failed, skipped };
  std::string check;
  Result result = Result::passed;
  // Why it failed, or why there was nothing to check.
  std::string sentence = {};
};

struct Verification {
  std::vector<Finding> findings;
  explicit operator bool() const;
};
// A table of the checks, and a sentence for each that failed.
std::ostream& operator<<(std::ostream& out, const Verification& verification);

// Examines `forward`, which calls the module, on the examples (float32 or float64; a few rows and
// steps will do, since differences are taken by every element), in evaluation mode:
//
//     gradcheck            first derivatives by all inputs and parameters, in float64
//     gradgradcheck        second derivatives
//     gradients reach      every parameter gets a gradient
//     float32              agrees with float64
//     single rows          a batch of N is N batches of one
//     padding              what stands past a sequence's end changes nothing, nor does more of it
//     causality            no output depends on a later step
//     empty row            a row that is all padding is finite, with finite gradients, and leaves
//                          the other rows alone
//     save and load        a file brings back the same function
//     repetition           the same call gives the same bits, also in training mode with one seed
//     threads              1, 2 and 3 threads give the same bits, in outputs and gradients
//
// Afterwards the module is as it was: values, dtype and mode. Gradients it had are dropped.
Verification verify(Module& module, const TensorFunction& forward,
                    const std::vector<Example>& examples, const VerifyOptions& options = {});

}  // namespace attune::nn
