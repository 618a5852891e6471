// The dates task, judged by a reader of dates that shares nothing with the writer but the
// conventions that dates.h states.

#include "nn/data/dates.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string_view>

using attune::Generator;
using attune::data::date_formats;
using attune::data::DateSets;
using attune::data::generate_dates;
using attune::data::Pair;
using attune::data::random_date;

namespace {

using Words = std::vector<std::string_view>;

const Words months = {"jan", "feb", "mar", "apr", "may", "jun",
                      "jul", "aug", "sep", "oct", "nov", "dec"};
const Words weekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
const Words suffixes = {"th", "st", "nd", "rd"};
const Words fillers = {"of", "the", "on", "in", "and", "oh", "day"};
const std::map<std::string_view, int> cardinals = {
    {"one", 1},      {"two", 2},        {"three", 3},     {"four", 4},       {"five", 5},
    {"six", 6},      {"seven", 7},      {"eight", 8},     {"nine", 9},       {"ten", 10},
    {"eleven", 11},  {"twelve", 12},    {"thirteen", 13}, {"fourteen", 14},  {"fifteen", 15},
    {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19},  {"twenty", 20},
    {"thirty", 30},  {"forty", 40},     {"fifty", 50},    {"sixty", 60},     {"seventy", 70},
    {"eighty", 80},  {"ninety", 90},    {"hundred", 100}, {"thousand", 1000}};
const std::map<std::string_view, int> ordinals = {
    {"first", 1},        {"second", 2},      {"third", 3},       {"fourth", 4},
    {"fifth", 5},        {"sixth", 6},       {"seventh", 7},     {"eighth", 8},
    {"ninth", 9},        {"tenth", 10},      {"eleventh", 11},   {"twelfth", 12},
    {"thirteenth", 13},  {"fourteenth", 14}, {"fifteenth", 15},  {"sixteenth", 16},
    {"seventeenth", 17}, {"eighteenth", 18}, {"nineteenth", 19}, {"twentieth", 20},
    {"thirtieth", 30}};

std::optional<int> index_of(const Words& words, std::string_view word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<int>(found - words.begin());
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// "'94", "3", "rd", "may": runs of letters or of digits, these with an apostrophe before them.
std::vector<std::string> pieces_of(const std::string& text) {
  const auto kind = [](char c) {
    return c >= 'a' && c <= 'z' ? 'a' : (c >= '0' && c <= '9') || c == '\'' ? '0' : ' ';
  };
  std::vector<std::string> pieces;
  char last = ' ';
  for (const char c : lower(text)) {
    if (kind(c) != ' ' && kind(c) != last) pieces.emplace_back();
    if (kind(c) != ' ') pieces.back() += c;
    last = kind(c);
  }
  return pieces;
}

// [19, 94], [19, 100, 5], [2, 1000, 5], [20, 20, 4] (tens and ones apart) as a year.
int year_of(const std::vector<int>& spoken) {
  int year = 0;
  for (std::size_t i = 1; i < spoken.size(); ++i) year += spoken[i] < 100 ? spoken[i] : 0;
  return year + (spoken.at(0) == 2 ? 2000 : spoken.at(0) * 100);
}

struct Reading {
  int year = 0, month = 0, day = 0;
  std::optional<int> weekday;
};

int full_year(int two_digits) {
  return two_digits + (two_digits >= 50 ? 1900 : 2000);
}

Reading read(const std::string& text) {
  Reading reading;
  std::vector<int> spoken, numbers;
  bool year_first = false;
  for (const std::string& piece : pieces_of(text)) {
    if (piece[0] == '\'') {
      reading.year = full_year(std::stoi(piece.substr(1)));
    } else if (piece.size() == 8 && piece[0] <= '9') {
      const int number = std::stoi(piece);
      reading = {number / 10000, number / 100 % 100, number % 100, {}};
    } else if (piece.size() == 4 && piece[0] <= '9') {
      reading.year = std::stoi(piece);
      year_first = numbers.empty();
    } else if (piece[0] <= '9') {
      numbers.push_back(std::stoi(piece));
    } else if (ordinals.contains(piece)) {
      reading.day = ordinals.at(piece);
      if (reading.day < 10 && !spoken.empty() && spoken.back() >= 20 && spoken.back() <= 30) {
        reading.day += spoken.back();
        spoken.pop_back();
      }
    } else if (cardinals.contains(piece)) {
      spoken.push_back(cardinals.at(piece));
    } else if (const auto suffix = index_of(suffixes, piece)) {
      const int number = numbers.at(0), last_digit = number % 10;
      const bool is_regular = last_digit >= 4 || (number >= 11 && number <= 13);
      REQUIRE(*suffix == (is_regular ? 0 : last_digit));
    } else if (index_of(fillers, piece)) {
      continue;
    } else if (const auto month = index_of(months, piece.substr(0, 3))) {
      reading.month = *month + 1;
    } else if (const auto weekday = index_of(weekdays, piece.substr(0, 3))) {
      reading.weekday = weekday;
    } else {
      FAIL("unreadable: " << piece << " in " << text);
    }
  }
  if (!spoken.empty()) reading.year = year_of(spoken);
  if (year_first && reading.month == 0 && numbers.size() == 2) std::swap(numbers[0], numbers[1]);
  auto next = numbers.begin();
  if (reading.day == 0 && next != numbers.end()) reading.day = *next++;
  if (reading.month == 0 && next != numbers.end()) reading.month = *next++;
  if (reading.year == 0 && next != numbers.end()) reading.year = full_year(*next++);
  REQUIRE(next == numbers.end());
  return reading;
}

std::string iso(const Reading& reading) {
  return fmt::format("{:04}-{:02}-{:02}", reading.year, reading.month, reading.day);
}

// Sakamoto's rule; 0 is Sunday.
int weekday_of(Reading date) {
  constexpr std::array shifts = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
  const int year = date.year - (date.month < 3);
  return (year + year / 4 - year / 100 + year / 400 +
          shifts.at(static_cast<std::size_t>(date.month - 1)) + date.day) %
         7;
}

int days_in(int year, int month) {
  if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

std::set<std::string> sources(const std::vector<Pair>& pairs) {
  std::set<std::string> result;
  for (const Pair& pair : pairs) result.insert(pair.source);
  return result;
}

std::set<std::string> targets(const std::vector<Pair>& pairs) {
  std::set<std::string> result;
  for (const Pair& pair : pairs) result.insert(pair.target);
  return result;
}

bool disjoint(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::none_of(a.begin(), a.end(), [&](const auto& text) { return b.contains(text); });
}

}  // namespace

TEST_CASE("the reader of this test reads dates") {
  CHECK(iso(read("tuesday, 3rd of may 1994")) == "1994-05-03");
  CHECK(iso(read("The Twenty-First of Sept. two thousand and five")) == "2005-09-21");
  CHECK(iso(read("MAY THE TWENTIETH,TWENTY TWENTY FOUR")) == "2024-05-20");
  CHECK(iso(read("nov 3, nineteen oh seven")) == "1907-11-03");
  CHECK(iso(read("3/5/49")) == "2049-05-03");
  CHECK(iso(read("'50 may 3rd")) == "1950-05-03");
  CHECK(iso(read("2005.11.12")) == "2005-11-12");
  CHECK(iso(read("20051112")) == "2005-11-12");
  CHECK(iso(read("03sep94")) == "1994-09-03");
}

TEST_CASE("there are many formats, and each one's example means its date") {
  const auto formats = date_formats();
  CHECK(formats.size() >= 40);
  CHECK(std::set<std::string>(formats.begin(), formats.end()).size() == formats.size());
  for (const std::string& text : formats) {
    CAPTURE(text);
    CHECK(iso(read(text)) == "1994-09-03");
    CHECK(read(text).weekday.value_or(6) == 6);
  }
}

TEST_CASE("every text means its date, which exists, and names its weekday") {
  const std::uint64_t seed = 11;
  CAPTURE(seed);
  Generator generator(seed);
  std::size_t named_weekdays = 0;
  for (int i = 0; i < 30000; ++i) {
    const Pair pair = random_date(generator);
    const Reading reading = read(pair.source);
    const bool right = iso(reading) == pair.target;
    const bool exists = reading.year >= attune::data::first_date_year &&
                        reading.year <= attune::data::last_date_year && reading.day >= 1 &&
                        reading.day <= days_in(reading.year, reading.month);
    const bool right_weekday = reading.weekday.value_or(weekday_of(reading)) == weekday_of(reading);
    if (!right || !exists || !right_weekday) FAIL_CHECK(pair.source << " -> " << pair.target);
    named_weekdays += reading.weekday.has_value();
  }
  CHECK(named_weekdays > 3000);
}

TEST_CASE("no text has two meanings, whatever its case, spaces and commas") {
  Generator generator(12);
  std::map<std::string, std::string> meaning;
  for (int i = 0; i < 100000; ++i) {
    const Pair pair = random_date(generator);
    std::string plain;
    for (const char c : lower(pair.source)) {
      if (c == ' ' && (plain.empty() || plain.back() == ' ')) continue;
      plain += c == ',' ? ' ' : c;
    }
    const auto [place, is_new] = meaning.emplace(plain, pair.target);
    if (place->second != pair.target) {
      FAIL_CHECK(pair.source << " -> " << pair.target << ", but also " << place->second);
    }
  }
}

TEST_CASE("texts are of a modest alphabet and length, and of every case") {
  Generator generator(13);
  std::set<char> alphabet;
  std::size_t longest = 0, total = 0, lower_case = 0, upper_case = 0;
  const int count = 20000;
  for (int i = 0; i < count; ++i) {
    const std::string text = random_date(generator).source;
    alphabet.insert(text.begin(), text.end());
    longest = std::max(longest, text.size());
    total += text.size();
    const bool has_upper =
        std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
    const bool has_lower =
        std::any_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    lower_case += has_lower && !has_upper;
    upper_case += has_upper && !has_lower;
  }
  CHECK(alphabet.size() <= 64);
  CHECK(longest <= attune::data::longest_date_text);
  CHECK(total / count >= 15);
  CHECK(total / count <= 25);
  CHECK(lower_case > count / 4);
  CHECK(upper_case > count / 20);
}

TEST_CASE("the sets have the sizes asked for and share neither a text nor a day") {
  const DateSets sets = generate_dates(5, 20000, 1000, 2000);
  CHECK(sets.train.size() == 20000);
  CHECK(sets.valid.size() == 1000);
  CHECK(sets.test.size() == 2000);
  CHECK(sources(sets.train).size() == 20000);
  CHECK(sources(sets.valid).size() == 1000);
  CHECK(sources(sets.test).size() == 2000);
  CHECK(disjoint(sources(sets.train), sources(sets.test)));
  CHECK(disjoint(sources(sets.train), sources(sets.valid)));
  CHECK(disjoint(sources(sets.valid), sources(sets.test)));
  CHECK(disjoint(targets(sets.train), targets(sets.test)));
  CHECK(disjoint(targets(sets.train), targets(sets.valid)));
  CHECK(disjoint(targets(sets.valid), targets(sets.test)));
}

TEST_CASE("the seed decides the sets; the test set does not depend on the others' sizes") {
  const DateSets sets = generate_dates(5, 100, 50, 50);
  const DateSets again = generate_dates(5, 100, 50, 50);
  CHECK(sets.train == again.train);
  CHECK(sets.valid == again.valid);
  CHECK(sets.test == again.test);
  CHECK(generate_dates(5, 7, 0, 50).test == sets.test);
  CHECK(disjoint(sources(generate_dates(6, 0, 0, 50).test), sources(sets.test)));
  CHECK(generate_dates(5, 0, 0, 0).train.empty());
}

TEST_CASE("a seed stands for the same dates on every machine") {
  const std::vector<Pair> expected = {{"13 March 1937 ", "1937-03-13"},
                                      {"20TH OF JULY 2014", "2014-07-20"},
                                      {"friday october 9th 2048", "2048-10-09"},
                                      {"Tue the 18th of February 1919", "1919-02-18"}};
  CHECK(generate_dates(1, 0, 0, 4).test == expected);
}
