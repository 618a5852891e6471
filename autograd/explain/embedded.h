#pragma once
// Files that the library carries with it, so that it needs none once it is installed: the sources
// of the ops, whose formulas are shown, and the parts of the page.

#include <span>
#include <string_view>

namespace attune {

struct EmbeddedFile {
  std::string_view path;  // "autograd/ops/matmul.cpp"
  std::string_view text;
};
std::span<const EmbeddedFile> embedded_files();

}  // namespace attune
