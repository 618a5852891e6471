#pragma once
// A user's own parallel text: a UTF-8 file with one pair a line, source TAB target.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune::data {

struct Pair {
  std::string source, target;
  // Other right targets, for judging a translation; nothing is trained on them.
  std::vector<std::string> alternatives = {};
  friend bool operator==(const Pair&, const Pair&) = default;
};

// The pairs of a file, in its order. Lines end in LF or CRLF, the last one may lack its end, a byte
// order mark at the start is dropped, blank lines are skipped; all else stands as it is, spaces
// around the tab included.
//
// Throws Error("FILE:LINE: ..."), one sentence, for a line that has no tab or more than one, whose
// source or target is empty or white space, or that is not UTF-8 text (columns count characters);
// Error("FILE: ...") for a file that cannot be read, is empty or holds blank lines only.
std::vector<Pair> read_pairs(const std::string& path);
// The same for text in memory, which errors call `name`.
std::vector<Pair> parse_pairs(std::string_view text, std::string_view name);

struct HeldOut {
  std::vector<Pair> train, valid;
};

// Holds out about `fraction` of the pairs for validation. Pairs with equal sources stay on one
// side, so that no source of `valid` is trained on; each side has at least one pair and keeps the
// order of `pairs`. Equal arguments give equal results on every machine. Throws Error unless 0 <
// fraction < 1 and there are two distinct sources.
HeldOut hold_out(const std::vector<Pair>& pairs, double fraction, std::uint64_t seed);

}  // namespace attune::data
