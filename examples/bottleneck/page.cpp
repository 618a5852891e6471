#include "examples/bottleneck/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "autograd/error.h"
#include "examples/seq2seq/pictures/page.h"

namespace bottleneck {
namespace {

using seq2seq::escaped;

// Colours that stay apart for colour-blind readers (Okabe & Ito 2008).
constexpr const char* style = R"(
:root { color-scheme: light dark; --ink: #1b1b1f; --dim: #6a6a72; --line: #d9d9de; --paper: #fff; --shade: #0000000a;
  --c0: #d55e00; --c1: #b8860b; --c2: #009e73; --c3: #0072b2; --c4: #a0508c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ec; --dim: #9a9aa4; --line: #3a3a42; --paper: #17171b; --shade: #ffffff0d;
    --c0: #ff8c42; --c1: #e6c229; --c2: #2fd39a; --c3: #58b0ee; --c4: #dc8cc8; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 980px;
  margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
svg { width: 100%; height: auto; display: block; } figure { margin: 1.5rem 0; }
figcaption { font-weight: 600; } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .9rem; }
.legend i { display: inline-block; width: 1.1rem; height: .25rem; margin-right: .4rem; vertical-align: middle; }
.scroll { overflow-x: auto; margin: 1.5rem 0; } table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
text { font: 13px system-ui, sans-serif; fill: var(--dim); }
@media (max-width: 600px) { text { font-size: 17px; } .every-other { display: none; }
  th:first-child, td:first-child { white-space: normal; min-width: 6rem; position: sticky; left: 0; background: var(--paper); } }
)";

constexpr double width = 760, height = 360, left = 58, right = 24, top = 12, bottom = 46;
constexpr int colours = 5;

// Where numbers lie in the picture.
class Frame {
 public:
  explicit Frame(const Chart& chart) : chart_(chart) {
    for (const Series& series : chart.series) {
      for (const Point& point : series.points) {
        first_ = std::min(first_, at(point.x));
        last_ = std::max(last_, at(point.x));
        if (std::find(ticks_.begin(), ticks_.end(), point.x) == ticks_.end()) {
          ticks_.push_back(point.x);
        }
      }
    }
    std::sort(ticks_.begin(), ticks_.end());
  }

  double x(double value) const {
    const double range = std::max(last_ - first_, 1e-9);
    return left + (at(value) - first_) / range * (width - left - right);
  }
  double y(double value) const {
    const double range = chart_.highest - chart_.lowest;
    const double share = std::clamp((value - chart_.lowest) / range, 0.0, 1.0);
    return height - bottom - share * (height - top - bottom);
  }
  // At most a dozen of the values of x.
  std::vector<double> ticks() const {
    std::vector<double> some;
    const std::size_t step = (ticks_.size() + 11) / 12;
    for (std::size_t i = step == 0 ? 0 : step - 1; i < ticks_.size(); i += step) {
      some.push_back(ticks_[i]);
    }
    return some;
  }

 private:
  double at(double value) const { return chart_.doubling ? std::log2(value) : value; }

  const Chart& chart_;
  double first_ = 1e300, last_ = -1e300;
  std::vector<double> ticks_;
};

std::string axes(const Chart& chart, const Frame& frame) {
  const bool percent = chart.lowest == 0 && chart.highest == 1;
  std::string svg;
  if (chart.shaded_from > 0) {
    svg +=
        fmt::format(R"x(<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="var(--shade)"/>)x",
                    frame.x(chart.shaded_from), top, width - right - frame.x(chart.shaded_from),
                    height - top - bottom);
  }
  for (int i = 0; i <= 5; ++i) {
    const double value = chart.lowest + (chart.highest - chart.lowest) * i / 5;
    svg += fmt::format(
        R"x(<line x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}" stroke="var(--line)"/>)x"
        R"x(<text x="{}" y="{:.1f}" text-anchor="end">{}</text>)x",
        left, width - right, frame.y(value), frame.y(value), left - 8, frame.y(value) + 4,
        percent ? fmt::format("{:.0f} %", 100 * value) : fmt::format("{:.4g}", value));
  }
  bool every_other = false;  // for narrow screens, which leave these out
  for (const double tick : frame.ticks()) {
    svg += fmt::format(R"x(<text x="{:.1f}" y="{}" text-anchor="middle"{}>{:g}</text>)x",
                       frame.x(tick), height - bottom + 20,
                       every_other ? R"x( class="every-other")x" : "", tick);
    every_other = !every_other;
  }
  return svg + fmt::format(R"x(<text x="{}" y="{}" text-anchor="middle">{}</text>)x",
                           (left + width - right) / 2, height - 6, escaped(chart.x_label));
}

std::string line_of(const Series& series, const Frame& frame, int colour) {
  if (series.points.empty()) return "";
  std::string band, back, path, dots;
  for (const Point& p : series.points) {
    band += fmt::format("{:.1f},{:.1f} ", frame.x(p.x), frame.y(p.high));
    back = fmt::format("{:.1f},{:.1f} ", frame.x(p.x), frame.y(p.low)) + back;
    path += fmt::format("{:.1f},{:.1f} ", frame.x(p.x), frame.y(p.y));
    dots += fmt::format(R"x(<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="var(--c{})"><title>)x"
                        R"x({}: {:g} at {:g}</title></circle>)x",
                        frame.x(p.x), frame.y(p.y), colour, escaped(series.name), p.y, p.x);
  }
  return fmt::format(
             R"x(<polygon points="{}{}" fill="var(--c{})" opacity=".18"/>)x"
             R"x(<polyline points="{}" fill="none" stroke="var(--c{})" stroke-width="2.2"/>)x",
             band, back, colour, path, colour) +
         dots;
}

}  // namespace

void Page::heading(const std::string& text) {
  body_ += fmt::format("<h2>{}</h2>\n", escaped(text));
}

void Page::paragraph(const std::string& text) {
  body_ += fmt::format("<p>{}</p>\n", escaped(text));
}

void Page::chart(const Chart& chart) {
  const Frame frame(chart);
  std::string legend, lines;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const int colour = static_cast<int>(i % colours);
    legend += fmt::format(R"x(<span><i style="background:var(--c{})"></i>{}</span>)x", colour,
                          escaped(chart.series[i].name));
    lines += line_of(chart.series[i], frame, colour);
  }
  body_ += fmt::format(
      "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"{}\">{}{}</svg><div class=\"legend\">{}</div></figure>\n",
      escaped(chart.title), width, height, escaped(chart.title + ", " + chart.y_label),
      axes(chart, frame), lines, legend);
}

void Page::table(const Table& table) {
  std::string rows = "<tr>";
  for (const std::string& cell : table.header) rows += fmt::format("<th>{}</th>", escaped(cell));
  rows += "</tr>\n";
  for (const auto& row : table.rows) {
    rows += "<tr>";
    for (const std::string& cell : row) rows += fmt::format("<td>{}</td>", escaped(cell));
    rows += "</tr>\n";
  }
  body_ += fmt::format("<div class=\"scroll\"><table>\n{}</table></div>\n", rows);
}

void Page::write(const std::string& path) const {
  std::ofstream file(path);
  file << fmt::format(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\"><title>{0}</title><style>{1}</style>\n<h1>{0}</h1>\n{2}"
      "</html>\n",
      escaped(title_), style, body_);
  file.close();
  if (!file) throw attune::Error(fmt::format("{} cannot be written.", path));
}

std::string aligned(const Table& table) {
  std::vector<std::size_t> widths;
  for (const std::string& cell : table.header) widths.push_back(cell.size());
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += i == 0 ? fmt::format("{:<{}}", row[i], widths[i])
                     : fmt::format("  {:>{}}", row[i], widths[i]);
    }
    text += '\n';
  };
  line(table.header);
  for (const auto& row : table.rows) line(row);
  return text;
}

}  // namespace bottleneck
