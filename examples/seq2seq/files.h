#pragma once
// Files that are written whole or not at all.

#include <string>
#include <string_view>

namespace seq2seq {

// Puts a file in the place of what is there. Error, beginning with the path and with what was there
// as it was, if it cannot be written.
void replace_file(const std::string& path, std::string_view content);

}  // namespace seq2seq
