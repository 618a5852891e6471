#pragma once
// The alignment of a translation as a picture for the terminal: source tokens along the top, target
// tokens down the side, the darker or brighter a cell the more the target token looked there.

#include <cstddef>
#include <string>

#include "nn/translator.h"

namespace seq2seq {

struct HeatmapStyle {
  std::size_t columns = 80;  // it shall not be wider
  bool colours = false;      // 256 colours of the terminal, else " ░▒▓█"
};

// Lines that all end in a line feed. Tokens of one character stand above their column, others read
// downwards; a source that is too long for the width is cut into pieces, one below the other. Empty
// if there is nothing to show.
std::string heatmap(const attune::nn::Translation& translation, const HeatmapStyle& style);

}  // namespace seq2seq
