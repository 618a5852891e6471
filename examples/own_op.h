#pragma once
// An op of one's own, in one file outside autograd/: the squared distances of all pairs of vectors.
// It has every right that a built-in op has: checked, recorded, named in errors, differentiable
// twice.

#include <fmt/format.h>

#include "autograd/op.h"

// d_ij = |a_i - b_j|^2 = |a_i|^2 + |b_j|^2 - 2 a_i . b_j for a [.., n, size], b [.., m, size]: [..,
// n, m].
//
// With g the gradient of d: by a_i it is 2 sum_j g_ij (a_i - b_j), by b_j 2 sum_i g_ij (b_j - a_i).
inline attune::Tensor squared_distances(attune::Operand a, attune::Operand b) {
  using namespace attune;
  detail::check_same_dtype("squared_distances", a, b);
  if (a->rank() < 2 || b->rank() != a->rank() || a->size(-1) != b->size(-1)) {
    misuse("squared_distances", a.site(),
           fmt::format("{} and {} are not two lists of vectors of one size", to_string(a->shape()),
                       to_string(b->shape())),
           "They are [.., n, size] and [.., m, size].");
  }
  Tensor distances;
  {
    const NoGrad no_grad;  // the rules below say what is to be recorded
    distances = sum(square(*a), {-1}, true) + transpose(sum(square(*b), {-1}, true)) -
                2 * matmul(*a, transpose(*b));
  }
  const auto rule = [](const Tensor& g, const Tensor& x, const Tensor& other) {
    return 2 * (x * sum(g, {-1}, true) - matmul(g, other));
  };
  return apply("squared_distances", {a, b}, distances,
               wrt(a, [=, x = save(a), y = save(b)](const Tensor& g) { return rule(g, x(), y()); }),
               wrt(b, [=, x = save(b), y = save(a)](const Tensor& g) {
                 return rule(transpose(g), x(), y());
               }));
}
