#include "examples/seq2seq/checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "nn/data/utf8.h"

namespace seq2seq {
namespace {

// Whether all of `text` is a number in the range.
template <class Number>
bool lies_between(const std::string& text, Number least, Number most) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && value >= least && value <= most;
}

template <class Number>
Check in_range(const char* kind, Number least, Number most) {
  return [=](const std::string& text) {
    if (lies_between(text, least, most)) return std::string();
    return fmt::format("must be {} from {} to {}, not \"{}\"", kind, least, most, text);
  };
}

}  // namespace

Check whole_number(std::int64_t least, std::int64_t most) {
  return in_range("a whole number", least, most);
}

Check number(double least, double most) {
  return in_range("a number", least, most);
}

Check file_name() {
  return [](const std::string& text) -> std::string {
    if (text.empty()) return "must name a file, not \"\"";
    if (attune::data::find_invalid_utf8(text)) return "must be valid UTF-8; rename the file";
    return "";
  };
}

Check one_of(std::vector<std::string> names) {
  return [=](const std::string& text) {
    if (std::find(names.begin(), names.end(), text) != names.end()) return std::string();
    return fmt::format("must be one of {}, not \"{}\"", fmt::join(names, ", "), text);
  };
}

}  // namespace seq2seq
