// Reading a file of pairs with an exact word for everything that can be wrong with it, and holding
// out a part of it.

#include "nn/data/pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "autograd/error.h"
#include "autograd/random.h"
#include "nn/data/utf8.h"

namespace attune::data {

namespace {

std::string read_file(const std::string& path) {
  const auto fail = [&](int error) {
    throw Error(fmt::format("{}: cannot be read: {}", path,
                            std::error_code(error, std::generic_category()).message()));
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(fmt::format("{}: is a directory; name a file of pairs in it", path));
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

void drop_byte_order_mark(std::string_view& text, std::string_view name) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw Error(fmt::format("{}: is UTF-16 text; save it as UTF-8", name));
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
}

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

// What keeps a line of valid text from being a pair; empty if nothing does.
std::string fault_of_pair(std::string_view line) {
  const auto tabs = std::count(line.begin(), line.end(), '\t');
  if (tabs == 0) return "there is no tab; a line is a source, one tab and a target";
  if (tabs > 1) {
    return fmt::format("there are {} tabs; a line is a source, one tab and a target", tabs);
  }
  const std::size_t tab = line.find('\t');
  if (is_blank(line.substr(0, tab))) return "the source, before the tab, is empty";
  if (is_blank(line.substr(tab + 1))) return "the target, after the tab, is empty";
  return {};
}

}  // namespace

std::vector<Pair> read_pairs(const std::string& path) {
  return parse_pairs(read_file(path), path);
}

std::vector<Pair> parse_pairs(std::string_view text, std::string_view name) {
  drop_byte_order_mark(text, name);
  if (text.empty()) {
    throw Error(fmt::format("{}: is empty; a line is a source, one tab and a target", name));
  }
  std::vector<Pair> pairs;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    std::string fault = fault_of_text(line);
    const std::size_t tab = line.find('\t');
    if (fault.empty() && tab == std::string_view::npos && is_blank(line)) continue;
    if (fault.empty()) fault = fault_of_pair(line);
    if (!fault.empty()) throw Error(fmt::format("{}:{}: {}", name, number, fault));
    pairs.push_back({std::string(line.substr(0, tab)), std::string(line.substr(tab + 1))});
  }
  if (pairs.empty()) {
    throw Error(
        fmt::format("{}: has blank lines only; a line is a source, one tab and a target", name));
  }
  return pairs;
}

namespace {

// The indices of the pairs of each distinct source, in the order of first appearance.
std::vector<std::vector<std::size_t>> group_by_source(const std::vector<Pair>& pairs) {
  std::vector<std::vector<std::size_t>> groups;
  std::unordered_map<std::string_view, std::size_t> group_of;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [place, is_new] = group_of.emplace(pairs[i].source, groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(i);
  }
  return groups;
}

}  // namespace

HeldOut hold_out(const std::vector<Pair>& pairs, double fraction, std::uint64_t seed) {
  if (!(fraction > 0 && fraction < 1)) {
    throw Error(
        fmt::format("cannot hold out {} of the pairs; give a fraction between 0 and 1", fraction));
  }
  auto groups = group_by_source(pairs);
  if (groups.size() < 2) {
    throw Error(
        fmt::format("cannot hold out any of {} pairs with {} distinct sources; give at "
                    "least two sources, or a file of validation pairs",
                    pairs.size(), groups.size()));
  }
  Generator generator(seed);
  shuffle(std::span(groups), generator);
  // A group larger than what is still wanted is passed over; putting the smallest first makes sure
  // that one is taken.
  std::iter_swap(groups.begin(),
                 std::min_element(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
                   return a.size() < b.size();
                 }));
  const double share = std::round(fraction * static_cast<double>(pairs.size()));
  const auto wanted = std::clamp<std::size_t>(static_cast<std::size_t>(share), 1, pairs.size() - 1);
  std::vector<bool> held(pairs.size());
  std::size_t held_count = 0;
  for (const auto& group : groups) {
    if (held_count != 0 && held_count + group.size() > wanted) continue;
    for (const std::size_t i : group) held[i] = true;
    held_count += group.size();
  }
  HeldOut result;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    (held[i] ? result.valid : result.train).push_back(pairs[i]);
  }
  return result;
}

}  // namespace attune::data
