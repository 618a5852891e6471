#include "nn/data/pronunciations.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "autograd/error.h"
#include "nn/data/text_file.h"
#include "nn/data/utf8.h"
#include "nn/data/vocabulary.h"

namespace attune::data {
namespace {

bool is_decimal(char c) {
  return c >= '0' && c <= '9';
}

// "tomato" of "tomato(2)"; any other word as it stands.
std::string_view without_number(std::string_view word) {
  const std::size_t open = word.rfind('(');
  if (open == std::string_view::npos || open == 0 || !word.ends_with(')')) return word;
  const std::string_view number = word.substr(open + 1, word.size() - open - 2);
  const bool is_number = !number.empty() && std::all_of(number.begin(), number.end(), is_decimal);
  return is_number ? word.substr(0, open) : word;
}

std::string pronunciation(std::span<std::string> phonemes) {
  for (std::string& phoneme : phonemes) {
    const char last = phoneme.back();
    if (phoneme.size() > 1 && last >= '0' && last <= '2') phoneme.pop_back();
  }
  return fmt::format("{}", fmt::join(phonemes, " "));
}

}  // namespace

std::vector<Entry> read_dictionary(const std::string& path) {
  return parse_dictionary(read_text_file(path, "pronunciations"), path);
}

std::vector<Entry> parse_dictionary(std::string_view text, std::string_view name) {
  Lines lines(text, name);
  std::vector<Entry> entries;
  StringMap<std::size_t> place_of;
  for (std::string_view line; lines.next(line);) {
    if (line.starts_with(";;;")) continue;
    std::vector<std::string> parts = split_at_white_space(line);
    parts.erase(std::find(parts.begin(), parts.end(), "#"), parts.end());
    if (parts.empty()) continue;
    if (parts.size() == 1) {
      lines.fail(
          fmt::format("\"{}\" has no phonemes; a line is a word and its phonemes, with "
                      "spaces between them: abbot AE B AH T",
                      parts.front()));
    }
    const std::string word(without_number(parts.front()));
    const auto [place, is_new] = place_of.emplace(word, entries.size());
    if (is_new) entries.push_back({word, {}});
    std::vector<std::string>& known = entries[place->second].pronunciations;
    std::string more = pronunciation(std::span(parts).subspan(1));
    if (std::find(known.begin(), known.end(), more) == known.end())
      known.push_back(std::move(more));
  }
  if (entries.empty()) {
    throw Error(fmt::format("{}: has no words; a line is a word and its phonemes", name));
  }
  return entries;
}

namespace {

Pair judged(const Entry& entry) {
  return {entry.word,
          entry.pronunciations.front(),
          {entry.pronunciations.begin() + 1, entry.pronunciations.end()}};
}

}  // namespace

std::vector<Pair> pronunciation_pairs(const std::vector<Entry>& entries) {
  std::vector<Pair> pairs;
  for (const Entry& entry : entries) pairs.push_back(judged(entry));
  return pairs;
}

PronunciationSets split_dictionary(const std::vector<Entry>& entries) {
  PronunciationSets sets;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    if (i % 20 == 19) {
      sets.valid.push_back(judged(entry));
    } else if (i % 20 >= 17) {
      sets.test.push_back(judged(entry));
    } else {
      for (const std::string& sounds : entry.pronunciations) {
        sets.train.push_back({entry.word, sounds});
      }
    }
  }
  return sets;
}

}  // namespace attune::data
