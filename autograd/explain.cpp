#include "autograd/explain.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "autograd/explain/explainer.h"
#include "autograd/random.h"

namespace attune {
namespace {

void check_explained(const Tensor& output, const Site& site) {
  if (!output.defined()) misuse("explain", site, "there is no tensor");
  if (!output.requires_grad()) {
    misuse("explain", site, "the tensor depends on nothing that requires a gradient",
           "Call requires_grad_() on a leaf, and compute outside NoGrad.");
  }
}

}  // namespace

bool Explanation::Check::agrees() const {
  // Written so that a NaN disagrees.
  return std::abs(analytic - numeric) <= tolerance;
}

void Explanation::write(const std::string& path) const {
  std::ofstream file(path, std::ios::binary);
  file << (path.ends_with(".txt") ? text() : path.ends_with(".dot") ? dot() : html());
  file.flush();
  if (!file) throw Error(fmt::format("explain: {} cannot be written", path));
}

Explanation explain(const Tensor& output, const ExplainOptions& options, Site site) {
  check_explained(output, site);
  if (options.check) {
    misuse("explain", site, "a tensor that is there already cannot be computed again",
           "Pass a function that computes it, to have its derivatives checked.");
  }
  const Recording::Notes* const notes = Explainer::current_notes();
  const Unobserved looking;
  return Explainer(output, options, notes).explanation();
}

Explanation explain(const std::function<Tensor()>& make, const ExplainOptions& options, Site site) {
  const Generator before = default_generator();
  const Recording recording;
  const Tensor output = make();
  const Recording::Notes* const notes = Explainer::current_notes();
  check_explained(output, site);
  const Generator after = default_generator();
  const Unobserved looking;
  Explainer explainer(output, options, notes);
  if (options.check) {
    const auto again = [&] {
      default_generator() = before;
      return make();
    };
    std::string problem;
    explainer.add_checks(check_ops(again, problem), problem);
  }
  default_generator() = after;
  return std::move(explainer).explanation();
}

}  // namespace attune
