#pragma once
// A web page in one file: light or dark as the reader has it, and as wide as a telephone or a desk.

#include <string>
#include <string_view>

namespace seq2seq {

// Text as the content of an element or of a quoted attribute, for HTML and XML. What is no
// character of theirs becomes U+FFFD.
std::string escaped(std::string_view text);

// The whole file. `body` is HTML.
std::string page(std::string_view title, std::string_view body);

// The colours of all pictures, as a style sheet: light, and dark where the reader prefers that.
std::string_view palette();

}  // namespace seq2seq
