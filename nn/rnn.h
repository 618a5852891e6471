#pragma once
// Recurrent layers over batches [batch, time, features]: the simple (Elman) unit, the gated
// recurrent unit and long short-term memory. Names, shapes and the order of the gates are
// PyTorch's.

#include <vector>

#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/init.h"
#include "nn/module.h"

namespace attune::nn {

// The parameters of one step: W_i x + b_i + W_h h + b_h, the rows of both weights being those of
// the gates one below the other. Without biases the two are undefined.
class RecurrentCell : public Module {
 public:
  Tensor weight_ih;  // [gates hidden, input]
  Tensor weight_hh;  // [gates hidden, hidden]
  Tensor bias_ih;    // [gates hidden]
  Tensor bias_hh;    // [gates hidden]

 protected:
  RecurrentCell(std::int64_t input_size, std::int64_t hidden_size, std::int64_t gates, bool bias);
  Tensor from_input(const Tensor& x) const;
  Tensor from_state(const Tensor& h) const;
};

enum class Nonlinearity { tanh, relu };

// h' = tanh(W_i x + b_i + W_h h + b_h), or relu (Elman 1990).
class RNNCell : public RecurrentCell {
 public:
  RNNCell(std::int64_t input_size, std::int64_t hidden_size,
          Nonlinearity nonlinearity = Nonlinearity::tanh, bool bias = true)
      : RecurrentCell(input_size, hidden_size, 1, bias), nonlinearity_(nonlinearity) {}

  // x [batch, input], h [batch, hidden] -> h' [batch, hidden].
  Tensor forward(const Tensor& x, const Tensor& h) const;

 private:
  Nonlinearity nonlinearity_;
};

// Where the reset gate stands: after the product with W_hn, as in PyTorch and cuDNN, or before it,
// as in Cho et al. (2014).
enum class Reset { after, before };

// One step of the gated recurrent unit (Cho et al. 2014), with PyTorch's placement of the biases:
//
//     r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        the reset gate
//     z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)        the update gate
//     n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))     the candidate, or with Reset::before
//     n  = tanh(W_in x + b_in + W_hn (r * h) + b_hn)
//     h' = (1 - z) * n + z * h
//
// The three are stacked in the order r, z, n.
class GRUCell : public RecurrentCell {
 public:
  GRUCell(std::int64_t input_size, std::int64_t hidden_size, Reset reset = Reset::after,
          bool bias = true)
      : RecurrentCell(input_size, hidden_size, 3, bias), reset_(reset) {}

  // x [batch, input], h [batch, hidden] -> h' [batch, hidden].
  Tensor forward(const Tensor& x, const Tensor& h) const;

 private:
  Reset reset_;
};

struct LSTMState {
  Tensor state;  // h
  Tensor cell;   // c, of the same shape
};

// One step of long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000):
//
//     i  = sigmoid(W_ii x + b_ii + W_hi h + b_hi)        the input gate
//     f  = sigmoid(W_if x + b_if + W_hf h + b_hf)        the forget gate
//     g  = tanh(W_ig x + b_ig + W_hg h + b_hg)           the candidate
//     o  = sigmoid(W_io x + b_io + W_ho h + b_ho)        the output gate
//     c' = f * c + i * g
//     h' = o * tanh(c')
//
// The four are stacked in the order i, f, g, o.
class LSTMCell : public RecurrentCell {
 public:
  LSTMCell(std::int64_t input_size, std::int64_t hidden_size, bool bias = true)
      : RecurrentCell(input_size, hidden_size, 4, bias) {}

  // x [batch, input], h and c [batch, hidden].
  LSTMState forward(const Tensor& x, const LSTMState& before) const;
};

struct RecurrentOptions {
  std::int64_t layers = 1;
  bool bidirectional = false;
  double dropout = 0;  // on the output of every layer but the last
  bool bias = true;
};
using GRUOptions = RecurrentOptions;

// What runs a cell over a sequence, in layers and, if asked, in both directions, whose outputs are
// then joined. A row's steps at and past its length change nothing: its state stays, its output is
// 0, and the backward direction begins at its last real step.
class Recurrent : public Module {
 public:
  using States = std::vector<Tensor>;  // h, or h and c
  struct Sequence {
    // [steps, directions * hidden]: the last layer's states, of two directions by row.
    Packed output;
    States last;  // [layers * directions, batch, hidden] each: every layer's last states
  };

  // What forward() computes, without the padding. x [batch, time, input]; lengths int64 [batch], or
  // undefined where every step is real; `initial` like the last states, undefined for zero.
  Sequence read(const Vectors& x, const Tensor& lengths, const States& initial = {}) const;

 protected:
  // The parameters of one direction of one layer, named as PyTorch names them
  // (weight_ih_l0_reverse).
  struct Direction {
    Tensor weight_ih, weight_hh, bias_ih, bias_hh;  // the biases undefined where there are none
    bool reverse;
  };

  Recurrent(std::int64_t input_size, std::int64_t hidden_size, std::int64_t gates,
            std::size_t states, const RecurrentOptions& options);

  // One direction of one layer, over x [batch, time, input]: its output [steps, hidden] in any
  // order. States are [batch, hidden].
  virtual Sequence run(const Vectors& x, const States& initial, const Direction& direction,
                       const Tensor& lengths) const = 0;

 private:
  Direction direction(std::int64_t input_size, std::int64_t layer, bool reverse, bool bias);

  std::int64_t hidden_size_, gates_;
  std::size_t states_;
  std::vector<std::vector<Direction>> layers_;
  Dropout dropout_;
};

// RNNCells over a sequence.
class RNN : public Recurrent {
 public:
  struct Result {
    Tensor output;  // [batch, time, directions * hidden]: the last layer's states
    Tensor state;   // [layers * directions, batch, hidden]: every layer's last state
  };

  RNN(std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& options = {},
      Nonlinearity nonlinearity = Nonlinearity::tanh)
      : Recurrent(input_size, hidden_size, 1, 1, options), nonlinearity_(nonlinearity) {}

  // x [batch, time, input]; lengths int64 [batch], or undefined where every step is real; initial
  // [layers * directions, batch, hidden], or undefined for zero.
  Result forward(const Vectors& x, const Tensor& lengths = {}, const Tensor& initial = {}) const;

 private:
  Sequence run(const Vectors& x, const States& initial, const Direction& direction,
               const Tensor& lengths) const override;

  Nonlinearity nonlinearity_;
};

// GRUCells over a sequence.
class GRU : public Recurrent {
 public:
  using Result = RNN::Result;

  GRU(std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& options = {},
      Reset reset = Reset::after)
      : Recurrent(input_size, hidden_size, 3, 1, options), reset_(reset) {}

  // As RNN::forward().
  Result forward(const Vectors& x, const Tensor& lengths = {}, const Tensor& initial = {}) const;

 private:
  Sequence run(const Vectors& x, const States& initial, const Direction& direction,
               const Tensor& lengths) const override;

  Reset reset_;
};

// LSTMCells over a sequence.
class LSTM : public Recurrent {
 public:
  struct Result {
    Tensor output;   // [batch, time, directions * hidden]: the last layer's states
    LSTMState last;  // [layers * directions, batch, hidden] each
  };

  LSTM(std::int64_t input_size, std::int64_t hidden_size, const RecurrentOptions& options = {})
      : Recurrent(input_size, hidden_size, 4, 2, options) {}

  // As RNN::forward(), with two initial states.
  Result forward(const Vectors& x, const Tensor& lengths = {}, const LSTMState& initial = {}) const;

 private:
  Sequence run(const Vectors& x, const States& initial, const Direction& direction,
               const Tensor& lengths) const override;
};

}  // namespace attune::nn
