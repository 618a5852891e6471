#include "nn/rnn.h"
#include "nn/transformer.h"
#include "tests/conformance/functions.h"

namespace attune::conformance {
namespace {

// The layer with the parameters of the case.
template <class Layer>
Layer loaded(Layer layer, const Arguments& a) {
  layer.to(a.input(0).dtype());
  layer.load_state_dict(nn::NamedTensors(a.parameters.begin(), a.parameters.end()));
  return layer;
}

Tensor input_or_none(const Arguments& a, std::size_t k) {
  return k < a.inputs.size() ? a.inputs[k] : Tensor();
}

// The sequence as [batch, time, ..]; its own inverse.
Tensor batch_first(const Tensor& sequence, const Attributes& attributes) {
  return attributes.flag("batch_first", true) ? sequence : transpose(sequence, 0, 1);
}

Tensor lengths_of(const Attributes& attributes) {
  const std::vector<std::int64_t> lengths = attributes.integers("lengths");
  if (!attributes.has("lengths")) return {};
  return from_vector(lengths, {static_cast<std::int64_t>(lengths.size())});
}

nn::RecurrentOptions recurrent_options(const Attributes& attributes) {
  return {.layers = attributes.integer("num_layers", 1),
          .bidirectional = attributes.flag("bidirectional", false),
          .bias = attributes.flag("bias", true)};
}

nn::Nonlinearity nonlinearity_of(const Attributes& attributes) {
  const std::string name = attributes.text("nonlinearity", "tanh");
  if (name != "tanh" && name != "relu") throw Error("'" + name + "' is no nonlinearity of an RNN");
  return name == "tanh" ? nn::Nonlinearity::tanh : nn::Nonlinearity::relu;
}

// A layer over the sequence in.0, from the initial state in.1, where there is one.
template <class Layer>
Results over_sequence(const Layer& layer, const Arguments& a) {
  const auto [output, state] = layer.forward(batch_first(a.input(0), a.attributes),
                                             lengths_of(a.attributes), input_or_none(a, 1));
  return {{batch_first(output, a.attributes), state}, layer.named_parameters()};
}

Results rnn(const Arguments& a) {
  return over_sequence(
      loaded(nn::RNN(a.attributes.integer("input_size"), a.attributes.integer("hidden_size"),
                     recurrent_options(a.attributes), nonlinearity_of(a.attributes)),
             a),
      a);
}

Results gru(const Arguments& a) {
  return over_sequence(
      loaded(nn::GRU(a.attributes.integer("input_size"), a.attributes.integer("hidden_size"),
                     recurrent_options(a.attributes)),
             a),
      a);
}

Results lstm(const Arguments& a) {
  const nn::LSTM layer =
      loaded(nn::LSTM(a.attributes.integer("input_size"), a.attributes.integer("hidden_size"),
                      recurrent_options(a.attributes)),
             a);
  const auto [output, last] =
      layer.forward(batch_first(a.input(0), a.attributes), lengths_of(a.attributes),
                    {input_or_none(a, 1), input_or_none(a, 2)});
  return {{batch_first(output, a.attributes), last.state, last.cell}, layer.named_parameters()};
}

// The state in.K of a cell, zero where there is none.
Tensor state_or_zero(const Arguments& a, std::size_t k) {
  if (k < a.inputs.size()) return a.inputs[k];
  return zeros({a.input(0).size(0), a.attributes.integer("hidden_size")}, a.input(0).dtype());
}

Results rnn_cell(const Arguments& a) {
  const nn::RNNCell layer =
      loaded(nn::RNNCell(a.attributes.integer("input_size"), a.attributes.integer("hidden_size"),
                         nonlinearity_of(a.attributes), a.attributes.flag("bias", true)),
             a);
  return {{layer.forward(a.input(0), state_or_zero(a, 1))}, layer.named_parameters()};
}

Results gru_cell(const Arguments& a) {
  const nn::GRUCell layer =
      loaded(nn::GRUCell(a.attributes.integer("input_size"), a.attributes.integer("hidden_size"),
                         nn::Reset::after, a.attributes.flag("bias", true)),
             a);
  return {{layer.forward(a.input(0), state_or_zero(a, 1))}, layer.named_parameters()};
}

Results lstm_cell(const Arguments& a) {
  const nn::LSTMCell layer =
      loaded(nn::LSTMCell(a.attributes.integer("input_size"), a.attributes.integer("hidden_size"),
                          a.attributes.flag("bias", true)),
             a);
  const auto [state, cell] = layer.forward(a.input(0), {state_or_zero(a, 1), state_or_zero(a, 2)});
  return {{state, cell}, layer.named_parameters()};
}

// A key padding mask [batch, keys], where there is one, for the weights of every head and query.
Tensor key_padding(const Arguments& a, std::size_t k) {
  if (k >= a.inputs.size()) return {};
  return unsqueeze(unsqueeze(a.inputs[k], 1), 1);
}

Tensor with_future(const Tensor& mask, std::int64_t queries, std::int64_t keys) {
  const Tensor future = triu(ones({queries, keys}, DType::boolean), 1);
  return mask.defined() ? logical_or(mask, future) : future;
}

Results multihead_attention(const Arguments& a) {
  const nn::MultiheadAttention layer = loaded(
      nn::MultiheadAttention(a.attributes.integer("embed_dim"), a.attributes.integer("num_heads"),
                             {.key_size = a.attributes.integer("kdim", 0),
                              .value_size = a.attributes.integer("vdim", 0),
                              .bias = a.attributes.flag("bias", true)}),
      a);
  Tensor mask = key_padding(a, 3);
  if (a.attributes.flag("is_causal", false)) {
    mask = with_future(mask, a.input(0).size(1), a.input(1).size(1));
  }
  const auto [context, weights] = layer.forward(a.input(0), a.input(1), a.input(2), mask);
  return {{context, weights}, layer.named_parameters()};
}

nn::TransformerOptions transformer_options(const Attributes& attributes) {
  const std::string activation = attributes.text("activation", "relu");
  if (activation != "relu" && activation != "gelu") {
    throw Error("'" + activation + "' is no activation of a transformer");
  }
  return {.features = attributes.integer("d_model"),
          .heads = attributes.integer("nhead"),
          .feedforward = attributes.integer("dim_feedforward", 2048),
          .dropout = 0,
          .activation = activation == "relu" ? nn::Activation::relu : nn::Activation::gelu,
          .norm_first = attributes.flag("norm_first", false)};
}

Results transformer_encoder_layer(const Arguments& a) {
  const nn::TransformerEncoderLayer layer =
      loaded(nn::TransformerEncoderLayer(transformer_options(a.attributes)), a);
  return {{layer.forward(a.input(0), key_padding(a, 1))}, layer.named_parameters()};
}

Results transformer_decoder_layer(const Arguments& a) {
  const nn::TransformerDecoderLayer layer =
      loaded(nn::TransformerDecoderLayer(transformer_options(a.attributes)), a);
  nn::MultiheadAttention::Projected past;
  const auto [output, weights] =
      layer.forward(a.input(0), layer.project_memory(a.input(1)), key_padding(a, 2), past);
  return {{output}, layer.named_parameters()};
}

}  // namespace

Functions layers() {
  return {
      {"nn.MultiheadAttention", multihead_attention},
      {"nn.TransformerEncoderLayer", transformer_encoder_layer},
      {"nn.TransformerDecoderLayer", transformer_decoder_layer},
      {"nn.RNN", rnn},
      {"nn.GRU", gru},
      {"nn.LSTM", lstm},
      {"nn.RNNCell", rnn_cell},
      {"nn.GRUCell", gru_cell},
      {"nn.LSTMCell", lstm_cell},
  };
}

}  // namespace attune::conformance
