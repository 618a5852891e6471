#include "examples/seq2seq/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "autograd/error.h"
#include "nn/data/display_width.h"
#include "nn/data/utf8.h"

namespace seq2seq {

namespace data = attune::data;

void write_out(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (!written || std::fflush(stdout) != 0) {
    throw attune::Error(fmt::format("stdout: cannot be written: {}", std::strerror(errno)));
  }
}

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

bool shows_colours() {
  const char* const refused = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  const bool dumb = terminal != nullptr && std::string_view(terminal) == "dumb";
  return isatty(STDOUT_FILENO) == 1 && !dumb && (refused == nullptr || *refused == '\0');
}

std::string visible(std::string_view token) {
  const std::string text = data::replace_invalid_utf8(token);
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const data::Character character = data::first_character(std::string_view(text).substr(i));
    const char32_t code = character.code_point;
    if (code < 0x20 || code == 0x7F) {
      const std::uint32_t picture = code == 0x7F ? 0x21 : code;  // U+2400 and following
      result += {'\xE2', '\x90', static_cast<char>(0x80 + picture)};
    } else if (data::is_white_space(code)) {
      result += "␣";
    } else if (code >= 0x80 && code < 0xA0) {
      result += "\uFFFD";
    } else {
      if (result.empty() && data::display_width(code) == 0) result += "◌";
      result += text.substr(i, character.size);
    }
    i += character.size;
  }
  return result;
}

}  // namespace seq2seq
