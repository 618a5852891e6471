#pragma once
// Where a model looked, as a picture: source tokens along the top, target tokens down the side, and
// the darker a cell, the more the target token looked there. heatmap.h draws the same for a
// terminal.

#include <string>

#include "nn/translator.h"

namespace seq2seq {

// An <svg> element, for a page that has palette().
std::string alignment_element(const attune::nn::Translation& translation);
// A file of its own.
std::string alignment_svg(const attune::nn::Translation& translation);
// The bytes of a PNG, twice as fine as a pixel of the others. Characters that the system's
// monospace font lacks show as boxes. Error where the picture would be too large.
std::string alignment_png(const attune::nn::Translation& translation);

}  // namespace seq2seq
