// Reading a file of pairs with an exact word for everything that can be wrong with it, and holding
// out a part of it.

#include "nn/data/pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <unordered_map>
#include <utility>

#include "autograd/error.h"
#include "autograd/random.h"
#include "nn/data/text_file.h"

namespace attune::data {

namespace {

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
  return parse_pairs(read_text_file(path, "pairs"), path);
}

std::vector<Pair> parse_pairs(std::string_view text, std::string_view name) {
  Lines lines(text, name);
  std::vector<Pair> pairs;
  bool any = false;
  for (std::string_view line; lines.next(line); any = true) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string_view::npos && is_blank(line)) continue;
    if (const std::string fault = fault_of_pair(line); !fault.empty()) lines.fail(fault);
    pairs.push_back({std::string(line.substr(0, tab)), std::string(line.substr(tab + 1))});
  }
  if (pairs.empty()) {
    throw Error(fmt::format("{}: {}; a line is a source, one tab and a target", name,
                            any ? "has blank lines only" : "is empty"));
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
