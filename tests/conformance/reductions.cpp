#include "tests/conformance/functions.h"

namespace attune::conformance {
namespace {

template <Tensor (*f)(Operand, const Dims&, bool)>
Results reduction(const Arguments& a) {
  return {{f(a.input(0), Dims(a.attributes.integers("dim")), a.attributes.flag("keepdim", false))}};
}

Results var_of(const Arguments& a) {
  return {{var(a.input(0), Dims(a.attributes.integers("dim")), a.attributes.flag("unbiased", true),
               a.attributes.flag("keepdim", false))}};
}

Results cumsum_of(const Arguments& a) {
  return {{cumsum(a.input(0), a.attributes.integer("dim"))}};
}

// Without a dimension, of all elements in their order.
Results argmax_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  if (!a.attributes.has("dim")) return {{argmax(reshape(x, {x.numel()}), 0)}};
  return {{argmax(x, a.attributes.integer("dim"), a.attributes.flag("keepdim", false))}};
}

Results topk_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  const std::int64_t k = a.attributes.integer("k");
  const std::int64_t dim = a.attributes.integer("dim", -1);
  if (x.rank() > 0) {
    const TopK found = topk(x, k, dim);
    return {{found.values, found.indices}};
  }
  const TopK found = topk(reshape(x, {1}), k, dim);
  return {{reshape(found.values, {}), reshape(found.indices, {})}};
}

// A weight of one dimension gives one number a row.
Results linear_of(const Arguments& a) {
  const Tensor& weight = a.input(1);
  if (weight.rank() == 1) return {{matmul(a.input(0), weight)}};
  if (a.inputs.size() == 2) return {{linear(a.input(0), weight)}};
  return {{linear(a.input(0), weight, a.input(2))}};
}

Results bilinear_of(const Arguments& a) {
  const auto& in = a.inputs;
  return {{in.size() > 3 ? bilinear(in[0], in[1], in[2], in[3])
                         : bilinear(a.input(0), a.input(1), a.input(2))}};
}

}  // namespace

Functions reductions() {
  return {
      {"sum", reduction<sum>},
      {"mean", reduction<mean>},
      {"amax", reduction<amax>},
      {"amin", reduction<amin>},
      {"logsumexp", reduction<logsumexp>},
      {"var", var_of},
      {"cumsum", cumsum_of},
      {"argmax", argmax_of},
      {"topk", topk_of},
      {"matmul", [](const Arguments& a) -> Results { return {{matmul(a.input(0), a.input(1))}}; }},
      {"einsum",
       [](const Arguments& a) -> Results {
         return {{einsum(a.attributes.text("equation"), a.inputs)}};
       }},
      {"linear", linear_of},
      {"bilinear", bilinear_of},
  };
}

}  // namespace attune::conformance
