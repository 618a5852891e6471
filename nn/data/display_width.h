#pragma once
// How many columns of a terminal a text takes, so that tables and heat maps of any script line up.

#include <cstddef>
#include <string_view>

namespace attune::data {

// 0 for control characters, combining marks and invisible format characters, 2 for the wide and
// full-width characters of UAX #11 (Chinese, Japanese, Korean, emoji), 1 for all others. After
// Unicode 14.
std::size_t display_width(char32_t code_point);

// The sum over the characters of `text`; a byte that is no valid UTF-8 counts as one column, the
// width of the replacement character that a terminal shows for it. Emoji joined into one picture
// count separately, as most terminals draw them.
std::size_t display_width(std::string_view text);

}  // namespace attune::data
