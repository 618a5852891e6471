#include "autograd/gradcheck.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "autograd/random.h"

namespace attune {
namespace {

// How far two ways of computing the same value may be apart, relative to it or to 1.
constexpr double same_value = 1e-12;
// A message describes this many mismatches and counts the rest.
constexpr std::size_t most_described = 5;

void check_inputs(const char* caller, const std::vector<Tensor>& inputs, const Site& site) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& x = inputs[i];
    if (x.dtype() != DType::float64 || !x.requires_grad() || !x.is_leaf()) {
      misuse(caller, site,
             fmt::format("input {} ({} {}) is not a float64 leaf that requires a gradient", i,
                         name(x.dtype()), to_string(x.shape())),
             "Make one with x.detach().to(DType::float64).clone().requires_grad_().");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (inputs[j].body().node == x.body().node) {
        misuse(caller, site, fmt::format("inputs {} and {} are the same tensor", j, i));
      }
    }
  }
}

void check_outputs(const char* caller, const std::vector<Tensor>& outputs, const Site& site) {
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (outputs[k].dtype() != DType::float64) {
      misuse(caller, site,
             fmt::format("output {} of the function is {} {}, and must be float64", k,
                         name(outputs[k].dtype()), to_string(outputs[k].shape())),
             "Let the function return only what it is to be differentiated by.");
    }
  }
}

// The values of the function, in memory of their own: it may return views of its inputs, and those
// are about to change.
std::vector<Tensor> unrecorded(const TensorFunction& function, const std::vector<Tensor>& inputs) {
  const NoGrad no_grad;
  std::vector<Tensor> values = function(inputs);
  for (Tensor& value : values) value = value.clone();
  return values;
}

// Numbers between 1/2 and 3/2, positive or negative: none so small that it would hide an error.
Tensor weights_for(const Tensor& output, Generator& generator) {
  std::vector<double> values(static_cast<std::size_t>(output.numel()));
  for (double& value : values) {
    value = std::copysign(0.5 + generator.uniform(), generator.uniform() - 0.5);
  }
  return from_vector(values, output.shape());
}

// The index of element number i in row-major order.
Dims index_of(std::int64_t i, const Shape& shape) {
  Dims index = shape;
  for (std::size_t d = shape.size(); d-- > 0; i /= shape[d]) index[d] = i % shape[d];
  return index;
}

// An element of an input, in the memory where it can be moved.
struct Component {
  double* place;
  Storage* storage;
  std::size_t input;
  Dims index;
  double analytic;
};

// One entry for each place in memory, with the derivatives by all elements that lie there added up.
std::vector<Component> elements_of(const std::vector<Tensor>& inputs,
                                   const std::vector<Tensor>& derivatives) {
  std::vector<Component> elements;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& x = inputs[i];
    const std::vector<double> analytic = derivatives[i].to_vector<double>();
    for (std::int64_t n = 0; n < x.numel(); ++n) {
      const Dims index = index_of(n, x.shape());
      double* place = x.raw<double>();
      for (std::size_t d = 0; d < x.rank(); ++d) place += index[d] * x.strides()[d];
      elements.push_back(
          {place, x.handle()->storage.get(), i, index, analytic[static_cast<std::size_t>(n)]});
    }
  }
  std::stable_sort(elements.begin(), elements.end(), [](const Component& a, const Component& b) {
    return std::less<>()(a.place, b.place);
  });
  std::vector<Component> merged;
  for (const Component& element : elements) {
    if (!merged.empty() && merged.back().place == element.place) {
      merged.back().analytic += element.analytic;
    } else {
      merged.push_back(element);
    }
  }
  return merged;
}

// Holds an element at another value for as long as it lives. Not counted as a change in place, for
// nobody will see one.
class Moved {
 public:
  Moved(const Component& element, double value)
      : element_(element), before_(std::exchange(*element.place, value)) {
    element.storage->moved();
  }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;
  ~Moved() {
    *element_.place = before_;
    element_.storage->moved();
  }

 private:
  const Component& element_;
  double before_;
};

double central_difference(const TensorFunction& function, const std::vector<Tensor>& inputs,
                          const std::vector<Tensor>& weights, const Component& element,
                          double eps) {
  const double h = eps * std::max(1.0, std::abs(*element.place));
  const double above = *element.place + h;
  const double below = *element.place - h;
  const auto values_at = [&](double value) {
    const Moved moved(element, value);
    return unrecorded(function, inputs);
  };
  const std::vector<Tensor> upper = values_at(above);
  const std::vector<Tensor> lower = values_at(below);
  double total = 0;
  for (std::size_t k = 0; k < upper.size(); ++k) {
    const NoGrad no_grad;
    total += sum((upper[k] - lower[k]) * weights[k]).item();
  }
  // What was added and taken away after rounding.
  return total / (above - below);
}

// How the values of two calls differ; empty if they do not.
std::string value_mismatch(const std::vector<Tensor>& recorded, const std::vector<Tensor>& plain) {
  if (plain.size() != recorded.size()) {
    return fmt::format("there are {} outputs when they are recorded, and {} under NoGrad",
                       recorded.size(), plain.size());
  }
  for (std::size_t k = 0; k < recorded.size(); ++k) {
    const Shape& shape = recorded[k].shape();
    if (plain[k].shape() != shape) {
      return fmt::format("output {} is {} when it is recorded, and {} under NoGrad", k,
                         to_string(shape), to_string(plain[k].shape()));
    }
    const std::vector<double> a = recorded[k].to_vector<double>();
    const std::vector<double> b = plain[k].to_vector<double>();
    for (std::size_t i = 0; i < a.size(); ++i) {
      // Written so that a NaN is a mismatch.
      if (std::abs(a[i] - b[i]) <= same_value * std::max(1.0, std::abs(b[i]))) continue;
      return fmt::format("output {} {} at {} is {} when it is recorded, and {} under NoGrad", k,
                         to_string(shape), to_string(index_of(static_cast<std::int64_t>(i), shape)),
                         a[i], b[i]);
    }
  }
  return "";
}

std::string describe(const std::vector<GradcheckReport::Mismatch>& mismatches,
                     const std::vector<Tensor>& inputs, std::size_t examined,
                     const GradcheckOptions& options) {
  std::string text = fmt::format("{} of {} derivatives are wrong (beyond {} + {} |numeric|)",
                                 mismatches.size(), examined, options.atol, options.rtol);
  for (std::size_t m = 0; m < std::min(mismatches.size(), most_described); ++m) {
    const auto& [input, index, analytic, numeric] = mismatches[m];
    text +=
        fmt::format("{} by input {} {} at {}: analytic {}, numeric {}", m == 0 ? ":" : ";", input,
                    to_string(inputs[input].shape()), to_string(index), analytic, numeric);
  }
  return text;
}

GradcheckReport examine(const char* caller, const TensorFunction& function,
                        const std::vector<Tensor>& inputs, const GradcheckOptions& options,
                        const Site& site) {
  const EnableGrad enable_grad;
  const std::vector<Tensor> outputs = function(inputs);
  check_outputs(caller, outputs, site);
  GradcheckReport report;
  const std::string difference = value_mismatch(outputs, unrecorded(function, inputs));
  if (!difference.empty()) {
    report.message = fmt::format(
        "{}: {}, called at {}. A function that draws random numbers must draw the same ones at "
        "every call.",
        caller, difference, to_string(site));
    return report;
  }
  Generator generator(options.seed);
  std::vector<Tensor> weights;
  for (const Tensor& output : outputs) weights.push_back(weights_for(output, generator));
  const auto elements = elements_of(inputs, functional::pull_back(outputs, inputs, weights));
  for (const Component& x : elements) {
    const double numeric = central_difference(function, inputs, weights, x, options.eps);
    // Written so that a NaN is a mismatch.
    if (!(std::abs(x.analytic - numeric) <= options.atol + options.rtol * std::abs(numeric))) {
      report.mismatches.push_back({x.input, x.index, x.analytic, numeric});
    }
  }
  if (!report.mismatches.empty()) {
    report.message =
        fmt::format("{}: {}, called at {}.", caller,
                    describe(report.mismatches, inputs, elements.size(), options), to_string(site));
  }
  return report;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const GradcheckReport& report) {
  return out << (report ? "all derivatives agree" : report.message);
}

GradcheckReport gradcheck(const TensorFunction& function, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options, Site site) {
  check_inputs("gradcheck", inputs, site);
  return examine("gradcheck", function, inputs, options, site);
}

GradcheckReport gradgradcheck(const TensorFunction& function, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options, Site site) {
  check_inputs("gradgradcheck", inputs, site);
  const auto n = static_cast<std::ptrdiff_t>(inputs.size());
  std::vector<Tensor> all = inputs;
  Generator generator(options.seed);
  const std::vector<Tensor> outputs = unrecorded(function, inputs);
  check_outputs("gradgradcheck", outputs, site);
  for (const Tensor& output : outputs) {
    all.push_back(weights_for(output, generator).requires_grad_());
  }
  const auto derivative = [&function, n](const std::vector<Tensor>& x) {
    const bool recorded = grad_enabled();
    const EnableGrad enable_grad;
    const std::vector<Tensor> by(x.begin(), x.begin() + n);
    const std::vector<Tensor> incoming(x.begin() + n, x.end());
    return functional::pull_back(function(by), by, incoming, recorded);
  };
  return examine("gradgradcheck", derivative, all, options, site);
}

}  // namespace attune
