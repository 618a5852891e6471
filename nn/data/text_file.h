#pragma once
// Files of UTF-8 text, line by line, with an exact word for what is wrong with one.

#include <cstddef>
#include <string>
#include <string_view>

namespace attune::data {

// All bytes of a file. Throws Error("FILE: ...") where it cannot be read; `content` is what it
// should hold ("pairs").
std::string read_text_file(const std::string& path, std::string_view content);

// Whether `text`, which must be valid, is empty or white space.
bool is_blank(std::string_view text);

// The lines of a text, which must outlive this. Lines end in LF or CRLF, the last one may lack its
// end, and a byte order mark at the start is dropped.
class Lines {
 public:
  // Errors call the text `name`. Throws Error for UTF-16.
  Lines(std::string_view text, std::string_view name);

  // Goes to the next line, without its end; false if there is none. Throws Error("NAME:LINE: ...")
  // for one that is not UTF-8 text (columns count characters).
  bool next(std::string_view& line);
  // Throws Error("NAME:LINE: fault") for the line that next() went to.
  [[noreturn]] void fail(std::string_view fault) const;

 private:
  std::string_view rest_, name_;
  std::size_t number_ = 0;
};

}  // namespace attune::data
