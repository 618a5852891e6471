// The recurrent encoder-decoder against the same equations in PyTorch 1.13. That of Bahdanau, Cho &
// Bengio stands in seq2seq_test.cpp, step by step.

#include "nn/recurrent.h"

#include <doctest/doctest.h>

#include "tests/difference.h"
#include "tests/sines.h"

using namespace attune;
using namespace attune::nn;

namespace {

// nn.LSTM(bidirectional=True) on packed sequences, and steps of
//
//     s, c = cell([e(y), a], (s, c));  w = softmax(s W o);  a = tanh(combine([w o, s]))
//
// from nn.LSTMCell and nn.Linear without dropout, all parameters being sines of phases 0, 1, 2, ..
// in attune's order. The gradients are of sum(logits * sines of phase 300).
struct TorchLuong {
  Tensor logits = tensor({{{-0.930291361822568, -0.928806688259203, 0.079065891521567,
                            0.214417362328716, 1.25351233558528},
                           {-0.946608610555898, -0.941285999216262, 0.118899711414681,
                            0.151832043250847, 1.33161708735825},
                           {-0.995955443576536, -0.844632395851189, -0.0138918243580784,
                            0.305416743199364, 1.17498675217824}},
                          {{-0.980818843119867, -0.764827463685979, -0.179416404777963,
                            0.537533726236995, 0.903099718464793},
                           {-1.00571919934058, -0.714637323096598, -0.24909659204648,
                            0.618652043940361, 0.819916923378172},
                           {-0.992217885344671, -0.797118654035458, -0.107166400645032,
                            0.433673780571575, 1.02656803654505}}},
                         DType::float64);
  Tensor last_weights = tensor(
      {{0.265529378997911, 0.349043759134064, 0.385426861868025}, {1, 0, 0}}, DType::float64);
  Tensor attention_gradient = tensor(
      {{0.0100709228765034, 0.000286840769738201, 0.00255416144376942, 0.0135994729409825,
        -0.000418671028165398, -0.0020634884576942, -0.000250413397069353, -0.00721184329787068},
       {-0.00622016594533857, -0.000180115926427404, -0.00156971129462199, -0.0084486541327388,
        0.000261812375741922, 0.0012882566632193, 0.000159153875702638, 0.00447891996131131},
       {-0.0103081619337356, -0.000292454457746388, -0.00261736184206954, -0.0139008096050442,
        0.000427284383220309, 0.0021067649384073, 0.000254573873033482, 0.00737219600903614},
       {-0.00030173750698455, -3.15263806995194e-06, -9.09577079294245e-05, -0.000316920037949321,
        6.5987475538331e-06, 3.64452761016099e-05, -7.70930222280801e-07, 0.000170695165684849}},
      DType::float64);
  Tensor combine_gradient =
      tensor({-0.190745232496587, 0.0651275153492421, -0.395027979680376, -0.0964920030512616,
              0.0309192388195469, 0.113105970535639, 0.084475505980848, -0.0797610087302214,
              -0.279305299742246, 0.301128745719297, 0.290779437677851, 0.0131561407682914},
             DType::float64);  // its first row
  Tensor encoder_bias_gradient = tensor(
      {0.00281960982476855, 0.00590712429941962, 0.0136357753021189, -0.019390624574709,
       -0.000415098100225922, 0.00154892924012257, 0.00106621327286227, -0.000790890186645779,
       -0.0035655506982947, 0.0145660951831124, -0.0156864269852058, 0.00291298327878948,
       0.00294395908121552, 0.0292233017680051, 0.0160607405175514, -0.00916667804796536},
      DType::float64);
};

}  // namespace

TEST_CASE("Luong's decoder of LSTMs with input feeding agrees with PyTorch") {
  const TorchLuong torch;
  Seq2SeqOptions options;
  options.source_vocabulary = options.target_vocabulary = 5;
  options.embedding = 3;
  options.hidden = 4;
  options.architecture = Architecture::lstm;
  options.attention = Attention::general;
  options.attending = Attending::after;
  Seq2Seq model(options);
  fill_with_sines(model);
  const Tensor source = tensor({{3, 4, 1}, {2, 0, 0}}, DType::int64);
  const Tensor lengths = tensor({3, 1}, DType::int64);
  const Tensor target = tensor({{1, 3, 4}, {1, 2, 0}}, DType::int64);
  const Tensor logits = model.forward({source, lengths, target, target});
  CHECK(difference(logits, torch.logits) < tolerance);
  sum(logits * sines(logits.shape(), 300)).backward();
  const auto gradient = [&](const char* name) { return parameter_of(model, name).grad(); };
  CHECK(difference(gradient("attention.weight"), torch.attention_gradient) < tolerance);
  CHECK(difference(select(gradient("combine.weight"), 0, 0), torch.combine_gradient) < tolerance);
  CHECK(difference(gradient("encoder.bias_ih_l0_reverse"), torch.encoder_bias_gradient) <
        tolerance);

  auto [memory, state] = model.encode(source, lengths);
  Step step;
  for (const Tensor& previous : unbind(target, 1)) {
    step = model.step(previous, state, memory);
    state = step.state;
  }
  CHECK(difference(step.weights, torch.last_weights) < tolerance);
}
