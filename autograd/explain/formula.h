#pragma once
// Finds the formulas of an op in the source that defines it, so that there is no second list of
// them. Knows as much of C++ as that takes: brackets, strings, comments, and where a function ends.

#include <optional>
#include <string>
#include <string_view>

#include "autograd/explain.h"

namespace attune {

// The text of the file that a line stands in: one that the library carries, or one on disk; empty
// if there is none. Files are read once a thread.
std::string_view source_of(const Site& site);
// Line `line` of a text, counted from 1, and the lines after it up to where the parentheses that it
// opens are closed, unless that is far; without the spaces around it.
std::string statement_at(std::string_view text, std::uint32_t line);
// The formulas of the op whose name stands at, or next after, that line and column of a source.
std::optional<Formula> formula_in(std::string_view source, std::uint32_t line, std::uint32_t column,
                                  std::string_view op);

}  // namespace attune
