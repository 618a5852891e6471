#pragma once
// Curves over the steps of a training, as SVG for a page that has palette().

#include <string>
#include <utility>
#include <vector>

namespace seq2seq {

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // step and value; what is not finite is left out
};

struct Chart {
  std::string title;
  std::vector<Curve> curves;
  bool logarithmic = false;  // values of 0 and less are left out, then
};

// A <figure> with a legend; empty where there is nothing to draw.
std::string figure_of(const Chart& chart);

}  // namespace seq2seq
