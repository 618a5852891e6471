#include "nn/rnn.h"
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

Results gru(const Arguments& a) {
  const nn::GRU layer =
      loaded(nn::GRU(a.attributes.integer("input_size"), a.attributes.integer("hidden_size"),
                     {.layers = a.attributes.integer("num_layers", 1),
                      .bidirectional = a.attributes.flag("bidirectional", false)}),
             a);
  const auto [output, state] = layer.forward(batch_first(a.inputs[0], a.attributes),
                                             lengths_of(a.attributes), input_or_none(a, 1));
  return {{batch_first(output, a.attributes), state}, layer.named_parameters()};
}

Results gru_cell(const Arguments& a) {
  const nn::GRUCell layer = loaded(
      nn::GRUCell(a.attributes.integer("input_size"), a.attributes.integer("hidden_size")), a);
  return {{layer.forward(a.input(0), a.input(1))}, layer.named_parameters()};
}

}  // namespace

Functions layers() {
  return {
      {"nn.GRU", gru},
      {"nn.GRUCell", gru_cell},
  };
}

}  // namespace attune::conformance
