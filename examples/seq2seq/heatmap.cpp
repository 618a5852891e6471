#include "examples/seq2seq/heatmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <vector>

#include "examples/seq2seq/console.h"
#include "nn/data/display_width.h"
#include "nn/data/utf8.h"

namespace seq2seq {
namespace {

namespace data = attune::data;

// A character with the accents that join it, and so one or two columns wide.
using Label = std::vector<std::string>;

// No label is longer than this, in characters along the top and in columns down the side.
constexpr std::size_t widest_label = 16;

Label label_of(const std::string& token) {
  Label label;
  for (const std::string& character : data::characters(visible(token))) {
    if (!label.empty() && data::display_width(character) == 0) {
      label.back() += character;
    } else {
      label.push_back(character);
    }
  }
  if (label.size() > widest_label) {
    label.resize(widest_label - 1);
    label.push_back("…");
  }
  return label;
}

std::vector<Label> labels_of(const std::vector<std::string>& tokens) {
  std::vector<Label> labels;
  for (const std::string& token : tokens) labels.push_back(label_of(token));
  return labels;
}

std::string spaces(std::size_t count) {
  return std::string(count, ' ');
}

// `text` with spaces behind it, `width` columns in all.
std::string filled(const std::string& text, std::size_t width) {
  const std::size_t taken = data::display_width(text);
  return text + spaces(width - std::min(width, taken));
}

// The labels down the side, each ending at the same column.
std::vector<std::string> side_of(const std::vector<std::string>& tokens) {
  std::vector<std::string> side;
  std::size_t width = 0;
  for (const Label& label : labels_of(tokens)) {
    std::string text;
    for (const std::string& character : label) text += character;
    width = std::max(width, data::display_width(text));
    side.push_back(std::move(text));
  }
  for (std::string& text : side) text = spaces(width - data::display_width(text)) + text + ' ';
  return side;
}

std::string shade(double weight) {
  constexpr double steps[] = {0.05, 0.25, 0.5, 0.75};
  constexpr std::string_view blocks[] = {" ", "░", "▒", "▓", "█"};
  return std::string(blocks[std::upper_bound(std::begin(steps), std::end(steps), weight) - steps]);
}

// A colour of the 256, from near black to white by way of blue and yellow, ever lighter.
int colour(double weight) {
  constexpr int ramp[] = {233, 17, 18, 54, 90, 126, 161, 197, 203, 209, 215, 221, 228, 230, 231};
  const double last = static_cast<double>(std::size(ramp) - 1);
  return ramp[static_cast<std::size_t>(std::lround(weight * last))];
}

std::string cells(std::span<const float> weights, std::size_t cell_width, bool colours) {
  std::string line;
  for (const float given : weights) {
    const double weight = given > 0 ? std::min(static_cast<double>(given), 1.0) : 0.0;
    if (colours) {
      line += fmt::format("\x1b[48;5;{}m{}", colour(weight), spaces(cell_width));
    } else {
      for (std::size_t i = 0; i < cell_width; ++i) line += shade(weight);
    }
  }
  if (colours) return line + "\x1b[0m";
  return line.substr(0, line.find_last_not_of(' ') + 1);
}

// The labels along the top, read downwards and ending at the grid.
std::string header(std::span<const Label> labels, std::size_t side_width, std::size_t cell_width) {
  std::size_t height = 0;
  for (const Label& label : labels) height = std::max(height, label.size());
  std::string lines;
  for (std::size_t row = 0; row < height; ++row) {
    std::string line = spaces(side_width);
    for (const Label& label : labels) {
      const std::size_t first = height - label.size();
      line += filled(row < first ? "" : label[row - first], cell_width);
    }
    lines += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return lines;
}

// Two columns make a cell about square; one does where two do not fit.
std::size_t cell_width_for(const std::vector<Label>& top, std::size_t room) {
  const bool wide = std::any_of(top.begin(), top.end(), [](const Label& label) {
    return std::any_of(label.begin(), label.end(),
                       [](const std::string& c) { return data::display_width(c) > 1; });
  });
  return !wide && 2 * top.size() > room && top.size() <= room ? 1 : 2;
}

}  // namespace

std::string heatmap(const attune::nn::Translation& translation, const HeatmapStyle& style) {
  if (translation.weights.empty()) return "";
  const std::vector<std::string> side = side_of(translation.target_tokens);
  const std::vector<Label> top = labels_of(translation.source_tokens);
  const std::size_t side_width = data::display_width(side.front());
  const std::size_t room = style.columns > side_width ? style.columns - side_width : 0;
  const std::size_t cell_width = cell_width_for(top, room);
  const std::size_t piece = std::max<std::size_t>(room / cell_width, 1);
  std::string picture;
  for (std::size_t begin = 0; begin < top.size(); begin += piece) {
    const std::size_t count = std::min(piece, top.size() - begin);
    if (begin > 0) picture += '\n';
    picture += header(std::span(top).subspan(begin, count), side_width, cell_width);
    for (std::size_t row = 0; row < side.size(); ++row) {
      const auto weights = std::span(translation.weights[row]).subspan(begin, count);
      picture += side[row] + cells(weights, cell_width, style.colours) + '\n';
    }
  }
  return picture;
}

}  // namespace seq2seq
