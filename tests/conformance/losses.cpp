#include <span>

#include "tests/conformance/functions.h"

namespace attune::conformance {
namespace {

Reduction reduction_of(const Attributes& attributes) {
  const std::string name = attributes.text("reduction", "mean");
  if (name == "none") return Reduction::none;
  if (name == "sum") return Reduction::sum;
  if (name == "mean") return Reduction::mean;
  if (name == "batchmean") return Reduction::batchmean;
  throw Error("'" + name + "' is no reduction");
}

// PyTorch's scores have the classes in dimension 1 where there are batches, ours always in the
// last.
Tensor classes_last(const Tensor& scores) {
  Dims order;
  for (std::size_t d = 0; d < scores.rank(); ++d) {
    if (d != 1) order.push_back(static_cast<std::int64_t>(d));
  }
  if (scores.rank() > 1) order.push_back(1);
  return permute(scores, order);
}

// Over the dimensions of the weight, where there is one; PyTorch's may have several.
Results layer_norm_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  const double eps = a.attributes.number("eps", 1e-5);
  const auto named = a.attributes.integers("normalized_shape");
  const std::size_t normalised = a.inputs.size() > 1 ? a.inputs[1].rank()
                                 : named.empty()     ? 1
                                                     : named.size();
  if (normalised > x.rank()) throw Error("the weight has more dimensions than the input");
  Shape rows(std::span(x.shape().begin(), x.rank() - normalised));
  const std::int64_t features =
      numel(Shape(std::span(x.shape().end() - normalised, x.shape().end())));
  rows.push_back(features);
  const auto flat = [&](std::size_t k) {
    return k < a.inputs.size() ? reshape(a.inputs[k], {features}) : Tensor();
  };
  return {{reshape(layer_norm(reshape(x, rows), flat(1), flat(2), eps), x.shape())}};
}

template <Tensor (*f)(Operand, std::int64_t)>
Results along(const Arguments& a) {
  return {{f(a.input(0), a.attributes.integer("dim", -1))}};
}

template <Tensor (*f)(Operand, Operand, Reduction)>
Results elementwise_loss(const Arguments& a) {
  return {{f(a.input(0), a.input(1), reduction_of(a.attributes))}};
}

Results smooth_l1_of(const Arguments& a) {
  return {{smooth_l1_loss(a.input(0), a.input(1), a.attributes.number("beta", 1.0),
                          reduction_of(a.attributes))}};
}

Results nll_of(const Arguments& a) {
  return {{nll_loss(classes_last(a.input(0)), a.input(1),
                    a.attributes.integer("ignore_index", -100), reduction_of(a.attributes))}};
}

Results cross_entropy_of(const Arguments& a) {
  return {{cross_entropy(classes_last(a.input(0)), a.input(1),
                         a.attributes.integer("ignore_index", -100),
                         a.attributes.number("label_smoothing", 0.0), reduction_of(a.attributes))}};
}

}  // namespace

Functions normalisations() {
  return {
      {"softmax", along<softmax>},
      {"log_softmax", along<log_softmax>},
      {"layer_norm", layer_norm_of},
      {"cross_entropy", cross_entropy_of},
      {"nll_loss", nll_of},
      {"mse_loss", elementwise_loss<mse_loss>},
      {"l1_loss", elementwise_loss<l1_loss>},
      {"smooth_l1_loss", smooth_l1_of},
      {"binary_cross_entropy_with_logits", elementwise_loss<binary_cross_entropy_with_logits>},
      {"kl_div", elementwise_loss<kl_div>},
  };
}

}  // namespace attune::conformance
