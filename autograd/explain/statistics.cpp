// The statistics of a tensor that explain() shows: range, moments, a histogram, what is no number.

#include <algorithm>
#include <cmath>

#include "autograd/explain.h"

namespace attune {
namespace {

void count_into(std::array<std::int64_t, 24>& histogram, double x, double min, double max) {
  const auto bins = static_cast<double>(histogram.size());
  // Halved, for the range of doubles may be more than a double holds.
  const double width = max / 2 - min / 2;
  const double place = width > 0 ? (x / 2 - min / 2) / width * bins : 0;
  ++histogram[static_cast<std::size_t>(std::clamp(place, 0.0, bins - 1))];
}

}  // namespace

Statistics statistics_of(const Tensor& tensor) {
  std::vector<double> elements = tensor.detach().to_vector<double>();
  Statistics s;
  s.count = static_cast<std::int64_t>(elements.size());
  s.nans = std::count_if(elements.begin(), elements.end(), [](double x) { return std::isnan(x); });
  std::erase_if(elements, [](double x) { return !std::isfinite(x); });
  const auto finite = static_cast<std::int64_t>(elements.size());
  s.infinities = s.count - s.nans - finite;
  s.zeros = std::count(elements.begin(), elements.end(), 0.0);
  if (finite == 0) return s;
  const auto [min, max] = std::minmax_element(elements.begin(), elements.end());
  s.min = *min;
  s.max = *max;
  for (const double x : elements) s.mean += x / static_cast<double>(finite);
  for (const double x : elements) {
    s.deviation += (x - s.mean) * (x - s.mean) / static_cast<double>(finite);
    s.norm += x * x;
    count_into(s.histogram, x, s.min, s.max);
  }
  s.deviation = std::sqrt(s.deviation);
  s.norm = std::sqrt(s.norm);
  return s;
}

}  // namespace attune
