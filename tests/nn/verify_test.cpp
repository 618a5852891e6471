// verify(): every layer passes, and for each check a layer that is broken in just that way is
// caught.

#include "nn/verify.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "autograd/kernels/parallel.h"
#include "autograd/op.h"
#include "autograd/random.h"
#include "nn/attention.h"
#include "nn/dropout.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/rnn.h"
#include "nn/transformer.h"

using namespace attune;
using namespace attune::nn;
using doctest::Contains;

namespace {

std::string text_of(const Verification& verification) {
  std::ostringstream text;
  text << verification;
  return text.str();
}

void check_sound(const Verification& verification) {
  INFO(text_of(verification));
  CHECK(verification);
}

const Finding& finding(const Verification& verification, const std::string& check) {
  const auto found = std::find_if(verification.findings.begin(), verification.findings.end(),
                                  [&](const Finding& f) { return f.check == check; });
  REQUIRE(found != verification.findings.end());
  return *found;
}

// The sentence of a check that must have failed.
std::string failure(const Verification& verification, const std::string& check) {
  INFO(text_of(verification));
  CHECK(finding(verification, check).result == Finding::Result::failed);
  return finding(verification, check).sentence;
}

Tensor sequences() {
  manual_seed(81);
  return randn({3, 4, 2});
}
Tensor lengths() {
  return tensor({4, 2, 3}, DType::int64);
}
Tensor padding() {
  return tensor({{0, 0, 0, 0}, {0, 0, 1, 1}, {0, 0, 0, 1}}, DType::boolean);
}

// A layer of one weight whose forward is given to verify() by each test.
struct Scale : Module {
  Scale() : weight(parameter("weight", rand({2}, 0.5, 1.5))) {}
  Tensor weight;
};

const VerifyOptions of_sequences{.outputs = {Role::sequence}};

}  // namespace

TEST_CASE("linear, embedding and dropout are sound") {
  manual_seed(82);
  Linear linear(2, 3);
  check_sound(
      verify(linear, [&](const Tensors& in) { return linear.forward(in[0]); }, {randn({3, 2})}));
  Embedding embedding(5, 2);
  check_sound(verify(embedding, [&](const Tensors& in) { return embedding.forward(in[0]); },
                     {tensor({{0, 1, 2}, {3, 4, 0}}, DType::int64)}));
  Dropout dropout(0.4);
  check_sound(
      verify(dropout, [&](const Tensors& in) { return dropout.forward(in[0]); }, {randn({3, 2})}));
  LockedDropout locked(0.4);
  check_sound(verify(
      locked, [&](const Tensors& in) { return locked.forward(in[0]); },
      {{sequences(), Role::sequence}}, of_sequences));
}

TEST_CASE("the GRU is sound, in layers and directions, with lengths") {
  for (const bool both : {false, true}) {
    manual_seed(83);
    GRU gru(2, 3, {.layers = 2, .bidirectional = both});
    const auto forward = [&](const Tensors& in) -> Tensors {
      const GRU::Result result = gru.forward(in[0], in[1], in[2]);
      return {result.output, result.state};
    };
    check_sound(verify(gru, forward,
                       {{sequences(), Role::sequence},
                        {lengths(), Role::lengths},
                        {randn({both ? 4 : 2, 3, 3}), Role::states}},
                       {.outputs = {Role::sequence, Role::states}, .causal = !both}));
  }
  GRUCell cell(2, 3);
  check_sound(verify(cell, [&](const Tensors& in) { return cell.forward(in[0], in[1]); },
                     {randn({3, 2}), randn({3, 3})}));
}

TEST_CASE("the simple unit and the GRU with the reset gate before the product are sound") {
  manual_seed(87);
  const std::vector<Example> examples{{sequences(), Role::sequence}, {lengths(), Role::lengths}};
  const VerifyOptions outputs{.outputs = {Role::sequence, Role::states}};
  const auto check = [&](auto layer) {
    const auto forward = [&](const Tensors& in) -> Tensors {
      const auto result = layer.forward(in[0], in[1]);
      return {result.output, result.state};
    };
    check_sound(verify(layer, forward, examples, outputs));
  };
  check(RNN(2, 3, {.bidirectional = true}));
  check(RNN(2, 3, {.bias = false}, Nonlinearity::relu));
  check(GRU(2, 3, {.bidirectional = true}, Reset::before));
  check(GRU(2, 3, {.bias = false}));
  RNNCell simple(2, 3);
  check_sound(verify(simple, [&](const Tensors& in) { return simple.forward(in[0], in[1]); },
                     {randn({3, 2}), randn({3, 3})}));
  GRUCell before(2, 3, Reset::before);
  check_sound(verify(before, [&](const Tensors& in) { return before.forward(in[0], in[1]); },
                     {randn({3, 2}), randn({3, 3})}));
}

TEST_CASE("the LSTM is sound, in layers and directions, with lengths") {
  for (const bool both : {false, true}) {
    manual_seed(88);
    LSTM lstm(2, 3, {.layers = 2, .bidirectional = both, .bias = both});
    const auto forward = [&](const Tensors& in) -> Tensors {
      const LSTM::Result result = lstm.forward(in[0], in[1], {in[2], in[3]});
      return {result.output, result.last.state, result.last.cell};
    };
    const Shape states{both ? 4 : 2, 3, 3};
    check_sound(verify(lstm, forward,
                       {{sequences(), Role::sequence},
                        {lengths(), Role::lengths},
                        {randn(states), Role::states},
                        {randn(states), Role::states}},
                       {.outputs = {Role::sequence, Role::states, Role::states}, .causal = !both}));
  }
  LSTMCell cell(2, 3);
  const auto forward = [&](const Tensors& in) -> Tensors {
    const LSTMState next = cell.forward(in[0], {in[1], in[2]});
    return {next.state, next.cell};
  };
  check_sound(verify(cell, forward, {randn({3, 2}), randn({3, 3}), randn({3, 3})}));
}

TEST_CASE("attention is sound with every score") {
  for (const Attention kind :
       {Attention::additive, Attention::dot, Attention::general, Attention::scaled}) {
    manual_seed(84);
    const auto score = make_score(kind, 2, 2, 3);
    const auto forward = [&](const Tensors& in) -> Tensors {
      const Attended attended = attend(*score, in[0], in[1], in[1], unsqueeze(in[2], 1));
      return {attended.context};
    };
    check_sound(
        verify(*score, forward,
               {randn({3, 2, 2}), {sequences(), Role::sequence}, {padding(), Role::padding_mask}}));
  }
}

TEST_CASE("norms are sound") {
  manual_seed(89);
  LayerNorm layer_norm(4);
  check_sound(verify(layer_norm, [&](const Tensors& in) { return layer_norm.forward(in[0]); },
                     {randn({3, 4})}));
  RMSNorm rms_norm(4);
  check_sound(verify(rms_norm, [&](const Tensors& in) { return rms_norm.forward(in[0]); },
                     {randn({3, 4})}));
}

TEST_CASE("multi-head attention is sound with every score") {
  for (const Attention kind :
       {Attention::additive, Attention::dot, Attention::general, Attention::scaled}) {
    manual_seed(90);
    MultiheadAttention attention(4, 2, {.key_size = 2, .value_size = 2, .score = kind});
    const auto forward = [&](const Tensors& in) {
      const Tensor mask = unsqueeze(unsqueeze(in[2], 1), 1);
      return attention.forward(in[0], in[1], in[1], mask).context;
    };
    check_sound(
        verify(attention, forward,
               {randn({3, 2, 4}), {sequences(), Role::sequence}, {padding(), Role::padding_mask}}));
  }
}

TEST_CASE("the transformer's layers are sound, with the norm before and after") {
  for (const bool first : {false, true}) {
    manual_seed(91);
    const TransformerOptions options{.features = 4,
                                     .heads = 2,
                                     .feedforward = 5,
                                     .activation = Activation::gelu,
                                     .norm_first = first};
    TransformerEncoder encoder(options, 1);
    const auto encode = [&](const Tensors& in) {
      return encoder.forward(in[0], unsqueeze(unsqueeze(in[1], 1), 1));
    };
    check_sound(verify(encoder, encode,
                       {{randn({3, 4, 4}), Role::sequence}, {padding(), Role::padding_mask}},
                       of_sequences));
    TransformerDecoder decoder(options, 1);
    const Tensor memory = randn({3, 2, 4});
    const auto decode = [&](const Tensors& in) {
      TransformerDecoder::Cache cache = decoder.begin(in[1]);
      return decoder.forward(in[0], cache).output;
    };
    VerifyOptions causal = of_sequences;
    causal.causal = true;
    causal.second_order = first;
    check_sound(verify(decoder, decode, {{randn({3, 3, 4}), Role::sequence}, memory}, causal));
  }
}

TEST_CASE("the report is a table, and a sentence for each failure") {
  manual_seed(85);
  Scale layer;
  const Verification good =
      verify(layer, [&](const Tensors& in) { return in[0] * layer.weight; }, {randn({3, 2})});
  CHECK(good);
  CHECK(text_of(good).find("gradcheck         passed\n") == 0);
  CHECK(text_of(good).find("padding           skipped: no example is a sequence\n") !=
        std::string::npos);
  const Verification bad =
      verify(layer, [&](const Tensors& in) { return in[0] * 2; }, {randn({3, 2})});
  CHECK_FALSE(bad);
  CHECK(text_of(bad).find("gradients reach   FAILED\n") != std::string::npos);
  CHECK(text_of(bad).find("gradients reach: no gradient reaches weight: ") != std::string::npos);
}

TEST_CASE("the module is as it was afterwards") {
  manual_seed(86);
  Scale layer;
  layer.eval();
  const std::vector<double> before = layer.weight.to_vector<double>();
  verify(layer, [&](const Tensors& in) { return in[0] * layer.weight; }, {randn({3, 2})});
  CHECK(layer.weight.dtype() == DType::float32);
  CHECK(layer.weight.to_vector<double>() == before);
  CHECK_FALSE(layer.training());
}

TEST_CASE("a wrong derivative is caught") {
  Scale layer;
  const auto wrong_square = [](Operand x) {
    return unary<Saves::input>(
        "wrong_square", x, [](auto v) { return v * v; }, [](auto g, auto v) { return g * v; });
  };
  const auto forward = [&](const Tensors& in) { return wrong_square(in[0]) * layer.weight; };
  CHECK(failure(verify(layer, forward, {randn({3, 2})}), "gradcheck").find("input 0") !=
        std::string::npos);
}

TEST_CASE("a derivative that cannot be differentiated again is caught") {
  Scale layer;
  // The derivative is computed in numbers, outside the graph.
  const auto cube = [](Operand x) {
    const Tensor value = (*x * *x * *x).detach();
    return apply("cube", {x}, value, wrt(x, [x = save(x)](const Tensor& g) {
                   const Tensor slope = (x() * x() * 3).detach();
                   return g * slope;
                 }));
  };
  const auto forward = [&](const Tensors& in) { return cube(in[0]) * layer.weight; };
  const Verification verification = verify(layer, forward, {randn({3, 2})});
  CHECK(finding(verification, "gradcheck").result == Finding::Result::passed);
  CHECK(failure(verification, "gradgradcheck") != "");
}

TEST_CASE("a number that float32 loses is caught") {
  Scale layer;
  const auto cancelling = [&](const Tensors& in) { return (in[0] + 1e6) - 1e6 + layer.weight; };
  CHECK(failure(verify(layer, cancelling, {randn({3, 2})}), "float32").find("cancels") !=
        std::string::npos);
  const auto widening = [&](const Tensors& in) {
    return (in[0] * layer.weight).to(DType::float64);
  };
  CHECK(failure(verify(layer, widening, {randn({3, 2})}), "float32").find("is float64") !=
        std::string::npos);
}

TEST_CASE("rows that see each other are caught") {
  Scale layer;
  const auto centred = [&](const Tensors& in) {
    return (in[0] - mean(in[0], {0}, true)) * layer.weight;
  };
  CHECK(failure(verify(layer, centred, {randn({3, 2})}), "single rows").find("row 0 of output 0") !=
        std::string::npos);
}

TEST_CASE("padding that leaks is caught") {
  Scale layer;
  const auto mean_of_all = [&](const Tensors& in) { return mean(in[0], {1}) * layer.weight; };
  const std::vector<Example> examples{{sequences(), Role::sequence}, {lengths(), Role::lengths}};
  CHECK(
      failure(verify(layer, mean_of_all, examples), "padding").find("what stands in the padding") !=
      std::string::npos);
  // A mean over the real steps, divided by the padded length.
  const auto real = [](const Tensors& in) {
    const Tensor steps = arange(0, static_cast<double>(in[0].size(1)));
    return unsqueeze(lt(steps, unsqueeze(in[1], 1)), 2).to(in[0].dtype());
  };
  const auto diluted = [&](const Tensors& in) {
    return mean(in[0] * real(in), {1}) * layer.weight;
  };
  CHECK(failure(verify(layer, diluted, examples), "padding").find("one step more") !=
        std::string::npos);
}

TEST_CASE("a gradient that leaks into padding is caught, though no value does") {
  Scale layer;
  const auto leaking = [&](const Tensors& in) {
    const Tensor steps = arange(0, static_cast<double>(in[0].size(1)));
    const Tensor past = unsqueeze(ge(steps, unsqueeze(in[1], 1)), 2);
    const auto hide = [&](Operand y) {
      return apply("hide", {y}, masked_fill(y, past, 0).detach(),
                   wrt(y, [](const Tensor& g) { return g; }));
    };
    return sum(hide(in[0]), {1}) * layer.weight;
  };
  const Verification verification =
      verify(layer, leaking, {{sequences(), Role::sequence}, {lengths(), Role::lengths}});
  CHECK(failure(verification, "padding").find("a gradient reaches the padding of input 0") !=
        std::string::npos);
}

TEST_CASE("a look ahead is caught") {
  Scale layer;
  const auto ahead = [&](const Tensors& in) {
    const Tensor next = cat({slice(in[0], 1, 1, in[0].size(1)), slice(in[0], 1, 0, 1)}, 1);
    return (in[0] + next * 1e-3) * layer.weight;
  };
  VerifyOptions options = of_sequences;
  options.causal = true;
  const Verification verification = verify(layer, ahead, {{sequences(), Role::sequence}}, options);
  CHECK(failure(verification, "causality").find("it looks ahead") != std::string::npos);
}

TEST_CASE("a row without a real step that gives NaN is caught") {
  Scale layer;
  const auto forward = [&](const Tensors& in) {
    const Tensor scores = masked_fill(sum(in[0], {2}), in[1], -INFINITY);
    return sum(in[0] * unsqueeze(softmax(scores), 2), {1}) * layer.weight;
  };
  const Verification verification =
      verify(layer, forward, {{sequences(), Role::sequence}, {padding(), Role::padding_mask}});
  CHECK(finding(verification, "padding").result == Finding::Result::passed);
  CHECK(failure(verification, "empty row").find("not finite") != std::string::npos);
}

TEST_CASE("a parameter that is not registered is caught, with the line that made it") {
  Scale layer;
  const Tensor shift = ones({2}, DType::float64).requires_grad_();
  const auto shifted = [&](const Tensors& in) {
    return in[0] * layer.weight + shift.to(in[0].dtype());
  };
  const std::string sentence = failure(verify(layer, shifted, {randn({3, 2})}), "save and load");
  CHECK(sentence.find("a tensor that require") != std::string::npos);
  CHECK(sentence.find("made at verify_test.cpp:") != std::string::npos);
}

TEST_CASE("a copy of a parameter that outlives it is caught") {
  Scale layer;
  Tensor copy;
  const auto stale = [&](const Tensors& in) {
    if (!copy.defined()) copy = layer.weight.detach().clone();
    return in[0] * copy.to(in[0].dtype());
  };
  CHECK(failure(verify(layer, stale, {randn({3, 2})}), "save and load").find("copies of them") !=
        std::string::npos);
}

TEST_CASE("what a file does not hold is caught") {
  Scale layer;
  double kept = 0;  // the largest weight ever seen
  const auto keeping = [&](const Tensors& in) {
    kept = std::max(kept, amax(abs(layer.weight.detach())).item());
    return in[0] * layer.weight * kept;
  };
  layer.load_state_dict({{"weight", tensor({0.01, 0.02})}});
  CHECK(failure(verify(layer, keeping, {randn({3, 2})}), "save and load").find("does not hold") !=
        std::string::npos);
}

TEST_CASE("bits that depend on the number of threads are caught") {
  Scale layer;
  const auto forward = [&](const Tensors& in) {
    return in[0] * layer.weight * (1 + 1e-15 * num_threads());
  };
  CHECK(failure(verify(layer, forward, {randn({3, 2})}), "threads").find("2 threads") !=
        std::string::npos);
}

TEST_CASE("state that survives a call is caught") {
  Scale layer;
  int calls = 0;
  const auto counting = [&](const Tensors& in) { return in[0] * layer.weight + ++calls; };
  CHECK(failure(verify(layer, counting, {randn({3, 2})}), "repetition").find("evaluation mode") !=
        std::string::npos);
}
