#include "nn/data/text_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "autograd/error.h"
#include "nn/data/utf8.h"

namespace attune::data {

std::string read_text_file(const std::string& path, std::string_view content) {
  const auto fail = [&](int error) {
    throw Error(fmt::format("{}: cannot be read: {}", path,
                            std::error_code(error, std::generic_category()).message()));
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(fmt::format("{}: is a directory; name a file of {} in it", path, content));
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (!file) fail(errno);
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, size);
  }
  if (std::ferror(file.get()) != 0) fail(errno);
  return text;
}

bool is_blank(std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (!is_white_space(character.code_point)) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

namespace {

// Removes the next line from the front of `text` and returns it without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// What keeps `line` from being text, as the end of a sentence; empty if nothing does.
std::string fault_of_text(std::string_view line) {
  const auto column = [&](std::size_t offset) {
    return characters(line.substr(0, offset)).size() + 1;
  };
  if (const auto invalid = find_invalid_utf8(line)) {
    return fmt::format("byte 0x{:02X} at column {} is not valid UTF-8; save the file as UTF-8",
                       static_cast<unsigned char>(line[*invalid]), column(*invalid));
  }
  if (const std::size_t zero = line.find('\0'); zero != std::string_view::npos) {
    return fmt::format("there is a zero byte at column {}; the file must be UTF-8 text",
                       column(zero));
  }
  return {};
}

}  // namespace

Lines::Lines(std::string_view text, std::string_view name) : rest_(text), name_(name) {
  if (rest_.starts_with("\xFF\xFE") || rest_.starts_with("\xFE\xFF")) {
    throw Error(fmt::format("{}: is UTF-16 text; save it as UTF-8", name_));
  }
  if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
}

bool Lines::next(std::string_view& line) {
  if (rest_.empty()) return false;
  line = take_line(rest_);
  ++number_;
  if (const std::string fault = fault_of_text(line); !fault.empty()) fail(fault);
  return true;
}

void Lines::fail(std::string_view fault) const {
  throw Error(fmt::format("{}:{}: {}", name_, number_, fault));
}

}  // namespace attune::data
