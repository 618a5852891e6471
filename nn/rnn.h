#pragma once
// Recurrent layers over batches [batch, time, features].

#include <optional>

#include "nn/dropout.h"
#include "nn/init.h"
#include "nn/module.h"

namespace attune::nn {

// One step of the gated recurrent unit (Cho et al. 2014), with PyTorch's placement of the biases:
//
//     r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        the reset gate
//     z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)        the update gate
//     n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))     the candidate
//     h' = (1 - z) * n + z * h
//
// The three weights are stacked in the order r, z, n.
class GRUCell : public Module {
 public:
  GRUCell(std::int64_t input_size, std::int64_t hidden_size);

  // x [batch, input], h [batch, hidden] -> h' [batch, hidden].
  Tensor forward(const Tensor& x, const Tensor& h) const;

  Tensor weight_ih;  // [3 hidden, input]
  Tensor weight_hh;  // [3 hidden, hidden]
  Tensor bias_ih;    // [3 hidden]
  Tensor bias_hh;    // [3 hidden]
};

struct GRUOptions {
  std::int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0;  // on the output of every layer but the last
};

// GRUCells run over a sequence, in layers and, if asked, in both directions, whose outputs are then
// joined. A row's steps at and past its length change nothing: its state stays, its output is 0,
// and the backward direction begins at its last real step.
class GRU : public Module {
 public:
  struct Result {
    Tensor output;  // [batch, time, directions * hidden]: the last layer's states
    Tensor state;   // [layers * directions, batch, hidden]: every layer's last state
  };

  GRU(std::int64_t input_size, std::int64_t hidden_size, GRUOptions options = {});

  // x [batch, time, input]; lengths int64 [batch], or undefined where every step is real; initial
  // [layers * directions, batch, hidden], or undefined for zero.
  Result forward(const Tensor& x, const Tensor& lengths = {}, const Tensor& initial = {}) const;

 private:
  // The parameters of one direction of one layer, named as PyTorch names them
  // (weight_ih_l0_reverse).
  struct Direction {
    Tensor weight_ih, weight_hh, bias_ih, bias_hh;
    bool reverse;
  };
  Direction direction(std::int64_t input_size, std::int64_t layer, bool reverse);

  std::int64_t hidden_size_;
  std::vector<std::vector<Direction>> layers_;
  Dropout dropout_;
};

}  // namespace attune::nn
