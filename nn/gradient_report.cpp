#include "nn/gradient_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace attune::nn {
namespace {

constexpr double vanishing = 1e-5;
constexpr double exploding = 100;

// "encoder" of "encoder.weight_ih_l0".
std::string layer_of(const std::string& parameter) {
  const std::size_t dot = parameter.rfind('.');
  return dot == std::string::npos ? "model" : parameter.substr(0, dot);
}

double norm_of(const Tensor& x) {
  return std::sqrt(sum(square(x)).item());
}

// `layer` together with one parameter more. Norms add up as the sides of a right angle do.
void add(LayerGradient& layer, const std::string& name, const Tensor& parameter) {
  layer.weight_norm = std::hypot(layer.weight_norm, norm_of(parameter));
  const Tensor gradient = parameter.grad();
  if (!gradient.defined()) {
    layer.missing.push_back(name);
    return;
  }
  layer.norm = std::hypot(layer.norm, norm_of(gradient));
  layer.largest = std::max(layer.largest, amax(abs(gradient)).item());
  const double zeros = sum(eq(gradient, 0).to(DType::float64)).item();
  const auto before = static_cast<double>(layer.count);
  layer.count += gradient.numel();
  layer.zeros = (layer.zeros * before + zeros) / static_cast<double>(layer.count);
}

// What is wrong with the gradient of a layer; empty if nothing is.
std::string fault_of(const LayerGradient& layer, const LayerGradient& strongest) {
  if (!layer.missing.empty()) {
    return fmt::format(
        "{}: no gradient has reached {}. Does the loss depend on it, and was nothing detached?",
        layer.layer, fmt::join(layer.missing, ", "));
  }
  if (!std::isfinite(layer.norm)) {
    return fmt::format("{}: the gradient is not finite. Anomaly mode names the op it was born in.",
                       layer.layer);
  }
  if (layer.norm == 0) {
    return fmt::format("{}: the gradient vanishes: every element of it is zero.", layer.layer);
  }
  if (layer.ratio() > exploding) {
    return fmt::format(
        "{}: the gradient explodes: it is {:.3g} times as large as the weights. Clip it, or begin "
        "with smaller weights.",
        layer.layer, layer.ratio());
  }
  if (layer.weight_norm > 0 && layer.ratio() < vanishing * strongest.ratio()) {
    return fmt::format(
        "{}: the gradient vanishes: it is {:.3g} times as large as the weights, where that of {} "
        "is {:.3g} times. Normalise, begin with larger weights, or let the layers be skipped.",
        layer.layer, layer.ratio(), strongest.layer, strongest.ratio());
  }
  return "";
}

std::vector<LayerGradient> layers_of(const Module& model) {
  std::vector<LayerGradient> layers;
  for (const auto& [name, parameter] : model.named_parameters()) {
    const std::string layer = layer_of(name);
    auto place = std::find_if(layers.begin(), layers.end(),
                              [&](const LayerGradient& known) { return known.layer == layer; });
    if (place == layers.end()) {
      layers.push_back({.layer = layer});
      place = layers.end() - 1;
    }
    add(*place, name, parameter);
  }
  return layers;
}

}  // namespace

GradientReport gradient_report(const Module& model) {
  const NoGrad no_grad;
  GradientReport report;
  report.layers = layers_of(model);
  if (report.layers.empty()) return report;
  const LayerGradient& strongest =
      *std::max_element(report.layers.begin(), report.layers.end(),
                        [](const auto& a, const auto& b) { return a.ratio() < b.ratio(); });
  for (const LayerGradient& layer : report.layers) {
    const std::string fault = fault_of(layer, strongest);
    if (!fault.empty()) report.warnings.push_back(fault);
  }
  return report;
}

std::string GradientReport::text() const {
  std::size_t width = 5;
  for (const LayerGradient& layer : layers) width = std::max(width, layer.layer.size());
  std::string text = fmt::format("{:<{}}{:>12}{:>12}{:>10}{:>18}\n", "layer", width, "norm", "max",
                                 "zeros", "gradient/weight");
  for (const LayerGradient& layer : layers) {
    text += fmt::format("{:<{}}{:>12.3g}{:>12.3g}{:>8.1f} %{:>18.3g}\n", layer.layer, width,
                        layer.norm, layer.largest, 100 * layer.zeros, layer.ratio());
  }
  for (const std::string& warning : warnings) text += warning + '\n';
  return text;
}

}  // namespace attune::nn
