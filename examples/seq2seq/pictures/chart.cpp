#include "examples/seq2seq/pictures/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "examples/seq2seq/pictures/page.h"

namespace seq2seq {
namespace {

// In units of the drawing.
constexpr double width = 460, height = 250, left = 62, right = 18, above = 10, below = 28;
constexpr std::size_t most_points = 400, most_marks = 40, colours = 8;

// From values to the drawing along one axis.
struct Axis {
  double low, high, begin, end;
  double operator()(double value) const {
    return begin + (value - low) / (high - low) * (end - begin);
  }
};

// About `count` round numbers between `low` and `high`.
std::vector<double> ticks(double low, double high, int count) {
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> result;
  for (double tick = std::ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9;
       tick += step) {
    result.push_back(std::abs(tick) < step * 1e-9 ? 0 : tick);
  }
  return result;
}

// "2.5k", "0.001".
std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g}k", value / 1e3);
  return fmt::format("{:.4g}", value);
}

// The means of so many stretches that no curve has more points than can be seen.
Curve thinned(const Curve& curve) {
  const std::size_t size = curve.points.size();
  if (size <= most_points) return curve;
  Curve result{curve.name, {}};
  for (std::size_t i = 0; i < most_points; ++i) {
    const std::size_t begin = i * size / most_points, end = (i + 1) * size / most_points;
    double x = 0, y = 0;
    for (std::size_t j = begin; j < end; ++j) {
      x += curve.points[j].first / static_cast<double>(end - begin);
      y += curve.points[j].second / static_cast<double>(end - begin);
    }
    result.points.emplace_back(x, y);
  }
  return result;
}

// The curves as they are drawn: finite, thinned, and their logarithms where that is wanted. Those
// without a point are left empty, and keep their colour.
std::vector<Curve> drawable(const Chart& chart) {
  std::vector<Curve> curves;
  for (const Curve& curve : chart.curves) {
    Curve clean{curve.name, {}};
    for (const auto& [x, y] : curve.points) {
      const double value = chart.logarithmic ? std::log10(y) : y;
      if (std::isfinite(value)) clean.points.emplace_back(x, value);
    }
    curves.push_back(thinned(clean));
  }
  return curves;
}

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

Axis steps_axis(const Range& range) {
  return {0, std::max(range.high, 1.0), left, width - right};
}

// Begins at 0 where that costs little room.
Axis values_axis(const Range& range, bool logarithmic) {
  const double room = range.high > range.low ? 0.05 * (range.high - range.low)
                                             : std::max(0.1 * std::abs(range.high), 1e-3);
  const bool from_zero = !logarithmic && range.low >= 0 && range.low < 0.4 * range.high;
  return {from_zero ? 0 : range.low - room, range.high + room, height - below, above};
}

std::string grid(const Axis& x, const Axis& y, bool logarithmic) {
  std::string svg;
  std::vector<double> marks = ticks(y.low, y.high, 5);
  if (logarithmic && y.high - y.low > 1) {
    std::erase_if(marks, [](double mark) { return std::abs(mark - std::round(mark)) > 1e-6; });
  }
  for (const double mark : marks) {
    svg += fmt::format(
        R"(<line class="rule" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="tick" )"
        R"(x="{}" y="{:.1f}" dy=".35em" text-anchor="end">{}</text>)",
        left, width - right, y(mark), y(mark), left - 6, y(mark),
        logarithmic ? fmt::format("{:.2g}", std::pow(10, mark)) : short_number(mark));
  }
  for (const double mark : ticks(x.low, x.high, 5)) {
    svg += fmt::format(R"(<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>)",
                       x(mark), height - 8, short_number(mark));
  }
  return svg;
}

std::string path_of(const Curve& curve, std::size_t colour, const Axis& x, const Axis& y,
                    bool logarithmic) {
  std::string path, marks;
  for (const auto& [step, value] : curve.points) {
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x(step), y(value));
    if (curve.points.size() > most_marks) continue;
    marks += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"var(--s{})\">"
        "<title>{}: {:.4g} at step {:.0f}</title></circle>",
        x(step), y(value), colour % colours, escaped(curve.name),
        logarithmic ? std::pow(10, value) : value, step);
  }
  // Where there are more curves than colours, the second round is dashed.
  return fmt::format("<path class=\"line\" stroke=\"var(--s{})\"{} d=\"{}\"/>{}", colour % colours,
                     colour >= colours ? R"( stroke-dasharray="5 3")" : "", path, marks);
}

std::string legend(const std::vector<Curve>& curves, bool logarithmic) {
  std::string html = "<div class=\"legend\">";
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].points.empty()) continue;
    const double last = curves[i].points.back().second;
    html += fmt::format(
        "<span><i style=\"background:var(--s{})\"></i>{} <span "
        "class=\"faint\">{}</span></span>",
        i % colours, escaped(curves[i].name),
        short_number(logarithmic ? std::pow(10, last) : last));
  }
  return html + "</div>";
}

}  // namespace

std::string figure_of(const Chart& chart) {
  const std::vector<Curve> curves = drawable(chart);
  Range steps, values;
  for (const Curve& curve : curves) {
    for (const auto& [step, value] : curve.points) {
      steps.add(step);
      values.add(value);
    }
  }
  if (values.empty()) return "";
  const Axis x = steps_axis(steps), y = values_axis(values, chart.logarithmic);
  std::string svg = grid(x, y, chart.logarithmic);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    if (!curves[i].points.empty()) svg += path_of(curves[i], i, x, y, chart.logarithmic);
  }
  return fmt::format(
      "<figure class=\"chart\"><figcaption>{}</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\">"
      "{}</svg>{}</figure>\n",
      escaped(chart.title), width, height, svg, legend(curves, chart.logarithmic));
}

}  // namespace seq2seq
