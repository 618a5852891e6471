#pragma once
// What the commands that answer write to: stdout, which may be a terminal, a pipe or a full disk.

#include <cstddef>
#include <string>
#include <string_view>

namespace seq2seq {

// Writes to stdout at once, so that a reader at the other end of a pipe has it. Error where it
// cannot be written.
void write_out(std::string_view text);

// Columns of the terminal that stdout is; 80 where it is none.
std::size_t terminal_columns();
// Whether stdout shows colours: a terminal, unless the user set NO_COLOR (no-color.org).
bool shows_colours();

// A token as something to look at: white space reads "␣", control characters have their pictures
// ("␉"), an accent without a letter stands on a circle, and what is no UTF-8 reads U+FFFD.
std::string visible(std::string_view token);

}  // namespace seq2seq
