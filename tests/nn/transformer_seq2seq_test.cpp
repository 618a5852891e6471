// The transformer that reads a source and writes a target against the same in PyTorch 1.13.

#include "nn/transformer_seq2seq.h"

#include <doctest/doctest.h>

#include "tests/difference.h"
#include "tests/sines.h"

using namespace attune;
using namespace attune::nn;

namespace {

// nn.TransformerEncoder and nn.TransformerDecoder of two layers that are normalised first, with a
// norm at the end, on embeddings times sqrt(features) and sinusoidal positions; without dropout,
// and filled as below. The gradients are of sum(logits * sines of phase 300).
struct TorchTransformer {
  Tensor logits = tensor({{{-0.77640227339356, 2.62102877483473, -1.08527136069682,
                            0.825602938263915, -1.40419241333175},
                           {-0.707631989409474, 2.58873067843996, -1.09317766871246,
                            0.87280003474776, -1.48522642275966},
                           {-0.617328172112948, 2.38896251840394, -0.807029439328555,
                            0.533337685847203, -1.13167663424363}},
                          {{-0.77988076903027, 2.62419962997838, -1.08776816617085,
                            0.827137174916124, -1.40458679195689},
                           {-0.641877619390841, 2.42360443969461, -0.847760776378188,
                            0.575451716023462, -1.17030685736933},
                           {-0.591729382552223, 2.43205112300911, -0.91382632066375,
                            0.691501896257547, -1.32293145799413}}},
                         DType::float64);
  Tensor source_embedding_gradient = tensor(
      {{0, 0, 0, 0},
       {-0.000545280625427267, -0.00041475474785327, 0.00102107138824874, -6.10360149682015e-05},
       {5.14441529856177e-05, 0.000178859104389662, -0.0011205522584024, 0.000890249001027124},
       {-0.000740764948784198, -0.000720330223606944, 0.000878853536195641, 0.0005822416361955},
       {-0.00148502573301502, -0.000106503272612432, 0.00183415066262201, -0.000242621656994551}},
      DType::float64);
  Tensor linear1_bias_gradient = tensor(
      {0, -0.000700520261532969, 0, 0.00216512350437978, 0, 0.000955497573093253}, DType::float64);
  Tensor in_proj_bias_gradient = tensor(
      {-2.45709186085008e-05, 2.00920695034106e-05, 7.05665680125361e-05, -1.68007424553396e-05,
       -7.67073037033494e-18, 2.57498015965307e-18, -1.0842021724855e-18, 3.25260651745651e-19,
       -0.00755854463986579, 0.00111145780085357, 0.00925872427082414, 0.0130514680446687},
      DType::float64);
};

// A parameter's phase is the sum of its name's characters, modulo 97.
void fill_by_name(Module& module) {
  module.to(DType::float64);
  for (auto [name, tensor] : module.named_parameters()) {
    int sum = 0;
    for (const char c : name) sum += c;
    tensor.set_data(sines(tensor.shape(), sum % 97));
  }
}

Seq2SeqOptions small_options() {
  Seq2SeqOptions options;
  options.source_vocabulary = options.target_vocabulary = 5;
  options.hidden = 4;
  options.layers = 2;
  options.heads = 2;
  options.feedforward = 6;
  options.architecture = Architecture::transformer;
  options.attention = Attention::multihead;
  return options;
}

}  // namespace

TEST_CASE("the transformer agrees with PyTorch, from tokens to logits and back") {
  const TorchTransformer torch;
  Seq2Seq model(small_options());
  fill_by_name(model);
  const Tensor source = tensor({{3, 4, 1}, {2, 0, 0}}, DType::int64);
  const Tensor target = tensor({{1, 3, 4}, {1, 2, 0}}, DType::int64);
  const Tensor logits = model.forward({source, tensor({3, 1}, DType::int64), target, target});
  CHECK(difference(logits, torch.logits) < tolerance);
  sum(logits * sines(logits.shape(), 300)).backward();
  const auto gradient = [&](const char* name) { return parameter_of(model, name).grad(); };
  CHECK(difference(gradient("source_embedding.weight"), torch.source_embedding_gradient) <
        tolerance);
  CHECK(difference(gradient("encoder.layers.0.linear1.bias"), torch.linear1_bias_gradient) <
        tolerance);
  CHECK(difference(gradient("decoder.layers.1.multihead_attn.in_proj_bias"),
                   torch.in_proj_bias_gradient) < tolerance);
}

TEST_CASE("its heads attend by the score that the options name") {
  Seq2SeqOptions options = small_options();
  options.attention = Attention::additive;
  const Seq2Seq additive(options);
  CHECK(parameter_of(additive, "decoder.layers.0.multihead_attn.score.v").shape() == Shape{2});
  options.attention = Attention::scaled;
  CHECK(Seq2Seq(options).named_parameters().size() ==
        Seq2Seq(small_options()).named_parameters().size());
  options.attention = Attention::none;
  CHECK_THROWS_WITH_AS(Seq2Seq{options}, doctest::Contains("cannot do without attention"), Error);
}
