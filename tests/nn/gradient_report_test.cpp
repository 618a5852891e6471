// The report on a model's gradients, for models that are made to be ill.

#include "nn/gradient_report.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/engine.h"
#include "autograd/random.h"
#include "nn/linear.h"

using namespace attune;
using namespace attune::nn;
using doctest::Approx;

namespace {

// Layers upon each other whose weights are scaled, and which saturate if `squash`.
class Tower : public Module {
 public:
  Tower(int height, double scale, bool squash) : squash_(squash) {
    for (int i = 0; i < height; ++i) {
      layers.push_back(child("layer" + std::to_string(i), Linear(8, 8)));
      const NoGrad no_grad;
      layers.back().weight.mul_(scale);
    }
  }
  Tensor forward(Tensor x) const {
    for (const Linear& layer : layers) {
      x = layer.forward(x);
      if (squash_) x = sigmoid(x);
    }
    return x;
  }
  std::vector<Linear> layers;

 private:
  bool squash_;
};

GradientReport report_on(const Tower& tower) {
  manual_seed(5);
  mean(square(tower.forward(randn({4, 8})))).backward();
  return gradient_report(tower);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a healthy model has its numbers, and no warning") {
  manual_seed(4);
  const Tower tower(2, 1, false);
  const GradientReport report = report_on(tower);
  REQUIRE(report.layers.size() == 2);
  CHECK(report.warnings.empty());
  const LayerGradient& first = report.layers.front();
  CHECK(first.layer == "layer0");
  CHECK(first.count == 72);
  const Linear& layer = tower.layers.front();
  double squares = 0, largest = 0, weights = 0;
  for (const Tensor& parameter : {layer.weight, layer.bias}) {
    for (const double g : parameter.grad().to_vector<double>()) {
      squares += g * g;
      largest = std::max(largest, std::abs(g));
    }
    for (const double w : parameter.to_vector<double>()) weights += w * w;
  }
  CHECK(first.norm == Approx(std::sqrt(squares)));
  CHECK(first.largest == Approx(largest));
  CHECK(first.zeros == 0);
  CHECK(first.ratio() == Approx(std::sqrt(squares / weights)));
  CHECK(has(report.text(), "gradient/weight\nlayer0 "));
}

TEST_CASE("sigmoids upon sigmoids vanish at the bottom, and the report says where") {
  manual_seed(4);
  const GradientReport report = report_on(Tower(12, 0.5, true));
  REQUIRE(!report.warnings.empty());
  CHECK(has(report.warnings.front(), "layer0: the gradient vanishes: it is "));
  CHECK(has(report.warnings.front(), "where that of layer11 is "));
  for (const std::string& warning : report.warnings) CHECK_FALSE(has(warning, "layer11: "));
  CHECK(has(report.text(), report.warnings.front()));
}

TEST_CASE("large weights explode") {
  manual_seed(4);
  const GradientReport report = report_on(Tower(8, 5, false));
  REQUIRE(!report.warnings.empty());
  CHECK(has(report.warnings.front(), "the gradient explodes: it is "));
}

TEST_CASE("gradients that are zero, missing or not finite are named") {
  manual_seed(4);
  const Tower tower(3, 1, false);
  sum(tower.layers[1].forward(randn({2, 8})) * 0).backward();
  const GradientReport report = gradient_report(tower);
  REQUIRE(report.warnings.size() == 3);
  CHECK(has(report.warnings[0], "no gradient has reached layer0.weight, layer0.bias."));
  CHECK(has(report.warnings[1], "layer1: the gradient vanishes: every element of it is zero."));
  CHECK(has(report.warnings[2], "no gradient has reached layer2.weight"));
  CHECK(report.layers[1].zeros == 1);
  Tower infinite(1, 1, false);
  {
    const NoGrad no_grad;
    infinite.layers[0].bias.fill_(INFINITY);
  }
  CHECK(has(report_on(infinite).warnings.front(), "is not finite"));
}

TEST_CASE("parameters of the model itself are a layer of their own") {
  class Bare : public Module {
   public:
    Tensor p = parameter("p", ones({3}));
  };
  const Bare bare;
  sum(bare.p * tensor({0, 2, 0})).backward();
  const GradientReport report = gradient_report(bare);
  REQUIRE(report.layers.size() == 1);
  CHECK(report.layers[0].layer == "model");
  CHECK(report.layers[0].zeros == Approx(2.0 / 3));
}
