// A date is written in three steps: one of the formats is filled in, its spaces and commas are
// loosened, its case is chosen.

#include "nn/data/dates.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace attune::data {

namespace {

using Days = std::chrono::sys_days;

// What stands between braces is filled in: a field is named by what it looks like for saturday,
// 3 september 1994.
constexpr std::string_view formats[] = {
    // The day, a number, comes first.
    "{3} {september} {1994}",
    "{3} {september}, {1994}",
    "{3} of {september} {1994}",
    "{3}. {september} {1994}",
    "{3} {september} {'94}",
    "{3} {sep.} {1994}",
    "{03} {sep.} {1994}",
    "{3} {sep.} {'94}",
    "{3} {sep.} {94}",
    "{3}-{sep}-{1994}",
    "{03}-{sep}-{94}",
    "{3}/{sep}/{1994}",
    "{03}{sep}{1994}",
    "{03}{sep}{94}",
    // The day, an ordinal, comes first.
    "{3rd} {september} {1994}",
    "{3rd} {september}, {1994}",
    "{3rd} of {september} {1994}",
    "{3rd} of {september}, {1994}",
    "{3rd} of {september} {'94}",
    "{3rd} {september} {'94}",
    "{3rd} {sep.} {1994}",
    "{3rd} {sep.} {'94}",
    "{3rd} of {sep.} {1994}",
    "the {3rd} of {september} {1994}",
    "the {3rd} of {september}, {1994}",
    "the {3rd} of {sep.} {'94}",
    "the {3rd} day of {september} {1994}",
    // The day in words.
    "{third} {september} {1994}",
    "{third} of {september} {1994}",
    "{third} of {september} {'94}",
    "the {third} of {september} {1994}",
    "the {third} of {september}, {1994}",
    "the {third} of {sep.} {1994}",
    "{september} {third}, {1994}",
    "{september} the {third}, {1994}",
    // The month comes first.
    "{september} {3} {1994}",
    "{september} {3}, {1994}",
    "{september} {3}, {'94}",
    "{september} {3}, {94}",
    "{september} {3rd} {1994}",
    "{september} {3rd}, {1994}",
    "{september} {3rd} {'94}",
    "{september} the {3rd}, {1994}",
    "{sep.} {3} {1994}",
    "{sep.} {3}, {1994}",
    "{sep.} {3} {'94}",
    "{sep.} {3rd}, {1994}",
    "{sep}-{03}-{1994}",
    // The weekday is named.
    "{saturday} {3} {september} {1994}",
    "{saturday}, {3} {september} {1994}",
    "{saturday}, {3rd} of {september} {1994}",
    "{saturday} the {3rd} of {september}, {1994}",
    "{saturday} the {3rd} of {september} {'94}",
    "{saturday} {september} the {3rd}, {1994}",
    "{sat.} the {3rd} of {september} {1994}",
    "{saturday} the {third} of {september} {1994}",
    "{saturday}, {september} {3}, {1994}",
    "{saturday} {september} {3rd} {1994}",
    "on {saturday}, {3} {september} {1994}",
    "{sat.} {3} {sep.} {1994}",
    "{sat.}, {3} {sep.} {'94}",
    "{sat.}, {sep.} {3}, {1994}",
    "{sat.} {3}/{9}/{1994}",
    "{sat} {3}/{9}/{94}",
    "{3} {september} {1994}, {saturday}",
    "{03}.{09}.{1994} ({sat})",
    "{1994}-{09}-{03}, {sat}",
    // Numbers alone.
    "{3}/{9}/{1994}",
    "{03}/{09}/{1994}",
    "{3}/{9}/{94}",
    "{03}/{09}/{94}",
    "{3} / {9} / {1994}",
    "{3}.{9}.{1994}",
    "{03}.{09}.{1994}",
    "{3}. {9}. {1994}",
    "{03}.{09}.{94}",
    "{3}-{9}-{1994}",
    "{03}-{09}-{1994}",
    "{03} {09} {1994}",
    "{1994}-{09}-{03}",
    "{1994}-{9}-{3}",
    "{1994}/{09}/{03}",
    "{1994}/{9}/{3}",
    "{1994}.{09}.{03}",
    "{1994} {09} {03}",
    "{1994}{09}{03}",
    // The year is out of its place.
    "{1994} {september} {3}",
    "{1994}, {september} {3}",
    "{1994}, {september} the {3rd}",
    "{1994}, {3} {september}",
    "{1994}, the {third} of {september}",
    "{1994}-{sep}-{03}",
    "{1994} {sep.} {3rd}",
    "{september} {1994} the {3rd}",
    "in {september} {1994}, on the {3rd}",
    "{'94} {september} {3rd}",
    // The year in words.
    "{3} {september} {nineteen ninety-four}",
    "{3rd} {september} {nineteen ninety-four}",
    "{3rd} of {september}, {nineteen ninety-four}",
    "{september} {3rd}, {nineteen ninety-four}",
    "{sep.} {3} {nineteen ninety-four}",
    "{third} {september} {nineteen ninety-four}",
    "{third} of {september} {nineteen ninety-four}",
    "the {third} of {september} {nineteen ninety-four}",
    "the {third} of {september}, {nineteen ninety-four}",
    "{september} the {third}, {nineteen ninety-four}",
};

constexpr std::string_view months[] = {"january",   "february", "march",    "april",
                                       "may",       "june",     "july",     "august",
                                       "september", "october",  "november", "december"};

constexpr std::string_view weekdays[] = {"sunday",   "monday", "tuesday", "wednesday",
                                         "thursday", "friday", "saturday"};

// Of 1 to 19; larger ones are composed.
constexpr std::string_view numbers[] = {"",        "one",     "two",       "three",    "four",
                                        "five",    "six",     "seven",     "eight",    "nine",
                                        "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};

// Of 1 to 20; larger ones are composed.
constexpr std::string_view ordinals[] = {
    "",           "first",     "second",    "third",       "fourth",     "fifth",      "sixth",
    "seventh",    "eighth",    "ninth",     "tenth",       "eleventh",   "twelfth",    "thirteenth",
    "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"};

constexpr std::string_view tens[] = {"",      "",      "twenty",  "thirty", "forty",
                                     "fifty", "sixty", "seventy", "eighty", "ninety"};

// A day, and the source of all that the one who writes it is free to choose.
struct Writer {
  Days days;
  Generator& generator;
  std::chrono::year_month_day date{days};
  unsigned day = static_cast<unsigned>(date.day());
  unsigned month = static_cast<unsigned>(date.month());
  unsigned year = static_cast<unsigned>(static_cast<int>(date.year()));

  bool chance(unsigned percent) const { return generator.below(100) < percent; }
  std::string_view month_name() const { return months[month - 1]; }
  std::string_view weekday_name() const {
    return weekdays[std::chrono::weekday(days).c_encoding()];
  }
};

std::string_view ordinal_suffix(unsigned n) {
  if (n / 10 == 1) return "th";
  return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

std::string_view hyphen_or_space(const Writer& writer) {
  return writer.chance(80) ? "-" : " ";
}

// "third", "twenty-first", "twenty first"; 1 to 31.
std::string ordinal_in_words(unsigned n, const Writer& writer) {
  if (n <= 20) return std::string(ordinals[n]);
  if (n == 30) return "thirtieth";
  return fmt::format("{}{}{}", tens[n / 10], hyphen_or_space(writer), ordinals[n % 10]);
}

// "five", "ninety-four", "ninety four"; 1 to 99.
std::string number_in_words(unsigned n, const Writer& writer) {
  if (n < 20) return std::string(numbers[n]);
  if (n % 10 == 0) return std::string(tens[n / 10]);
  return fmt::format("{}{}{}", tens[n / 10], hyphen_or_space(writer), numbers[n % 10]);
}

// "nineteen ninety-four", "nineteen hundred and five", "twenty oh five", "two thousand five".
std::string year_in_words(const Writer& writer) {
  const bool is_19 = writer.year < 2000;
  const std::string_view hundreds = is_19 ? "nineteen hundred" : "two thousand";
  if (writer.year % 100 == 0) return std::string(hundreds);
  const std::string rest = number_in_words(writer.year % 100, writer);
  if (writer.chance(is_19 ? 10 : 50)) {
    return fmt::format("{}{} {}", hundreds, writer.chance(70) ? " and" : "", rest);
  }
  return fmt::format("{}{} {}", is_19 ? "nineteen" : "twenty", writer.year % 100 < 10 ? " oh" : "",
                     rest);
}

// "sep" or "sept".
std::string_view abbreviated_month(const Writer& writer) {
  return writer.month_name().substr(0, writer.month == 9 && writer.chance(50) ? 4 : 3);
}

// "sat"; "tue" or "tues", "thu", "thur" or "thurs".
std::string_view abbreviated_weekday(const Writer& writer) {
  const std::string_view name = writer.weekday_name();
  const std::size_t longest = name == "tuesday" ? 4 : name == "thursday" ? 5 : 3;
  return name.substr(0, 3 + writer.generator.below(longest - 2));
}

// `name`, some of the time with a full stop if it is an abbreviation, which "may" is not.
std::string maybe_stopped(std::string_view name, const Writer& writer) {
  const bool stopped = name != "may" && writer.chance(30);
  return fmt::format("{}{}", name, stopped ? "." : "");
}

struct Field {
  std::string_view name;
  std::string (*write)(const Writer&);
};

constexpr Field fields[] = {
    {"3", [](const Writer& w) { return fmt::format("{}", w.day); }},
    {"03", [](const Writer& w) { return fmt::format("{:02}", w.day); }},
    {"3rd", [](const Writer& w) { return fmt::format("{}{}", w.day, ordinal_suffix(w.day)); }},
    {"third", [](const Writer& w) { return ordinal_in_words(w.day, w); }},
    {"9", [](const Writer& w) { return fmt::format("{}", w.month); }},
    {"09", [](const Writer& w) { return fmt::format("{:02}", w.month); }},
    {"september", [](const Writer& w) { return std::string(w.month_name()); }},
    {"sep", [](const Writer& w) { return std::string(abbreviated_month(w)); }},
    {"sep.", [](const Writer& w) { return maybe_stopped(abbreviated_month(w), w); }},
    {"1994", [](const Writer& w) { return fmt::format("{}", w.year); }},
    {"94", [](const Writer& w) { return fmt::format("{:02}", w.year % 100); }},
    {"'94", [](const Writer& w) { return fmt::format("'{:02}", w.year % 100); }},
    {"nineteen ninety-four", [](const Writer& w) { return year_in_words(w); }},
    {"saturday", [](const Writer& w) { return std::string(w.weekday_name()); }},
    {"sat", [](const Writer& w) { return std::string(abbreviated_weekday(w)); }},
    {"sat.", [](const Writer& w) { return maybe_stopped(abbreviated_weekday(w), w); }},
};

std::string fill_in(std::string_view format, const Writer& writer) {
  std::string text;
  while (!format.empty()) {
    const std::size_t open = format.find('{');
    text += format.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = format.find('}', open);
    const std::string_view name = format.substr(open + 1, close - open - 1);
    const auto* field =
        std::find_if(std::begin(fields), std::end(fields),
                     [&](const Field& candidate) { return candidate.name == name; });
    text += field->write(writer);
    format.remove_prefix(close + 1);
  }
  return text;
}

// Doubles some spaces, moves or drops some commas, and ends some texts in a full stop or a space;
// what a space or comma parts stays apart.
std::string loosen(std::string_view text, Generator& generator) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') {
      result += generator.below(4) == 0 ? "  " : " ";
    } else if (text[i] == ',') {
      constexpr std::string_view choices[] = {", ", " , ", " ", ","};
      result += choices[generator.below(std::size(choices))];
      ++i;  // the space that stands behind every comma
    } else {
      result += text[i];
    }
  }
  constexpr std::string_view ends[] = {"", "", "", ".", " "};
  return result += ends[generator.below(std::size(ends))];
}

// Only ASCII is written, and the C library's functions would ask the locale.
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
char to_upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

// "Saturday, 3rd of September": the letters that begin a word, those of small words not.
std::string title_case(std::string text) {
  constexpr std::string_view small_words[] = {"of", "the", "on", "and", "oh", "day"};
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && (is_letter(text[end]) || is_digit(text[end]))) ++end;
    const std::string_view word = std::string_view(text).substr(begin, end - begin);
    const bool is_small =
        begin != 0 && std::count(std::begin(small_words), std::end(small_words), word) != 0;
    if (!is_small) text[begin] = to_upper(text[begin]);
    begin = std::max(end, begin + 1);
  }
  return text;
}

std::string choose_case(std::string text, Generator& generator) {
  const std::uint64_t choice = generator.below(100);
  if (choice < 40) return text;
  if (choice < 70) return title_case(std::move(text));
  const bool mixed = choice >= 85;
  for (char& c : text) {
    if (!mixed || generator.below(2) == 0) c = to_upper(c);
  }
  return text;
}

bool has_two_digit_year(std::string_view format) {
  return format.find("{94}") != std::string_view::npos ||
         format.find("{'94}") != std::string_view::npos;
}

Pair write_date(Days days, Generator& generator) {
  const Writer writer{days, generator};
  const bool two_digits_suffice = writer.year >= 1950 && writer.year <= 2049;
  for (;;) {
    const std::string_view format = formats[generator.below(std::size(formats))];
    if (has_two_digit_year(format) && !two_digits_suffice) continue;
    std::string text = fill_in(format, writer);
    if (writer.chance(20)) text = loosen(text, generator);
    if (text.size() > longest_date_text) continue;
    return {choose_case(std::move(text), generator),
            fmt::format("{:04}-{:02}-{:02}", writer.year, writer.month, writer.day)};
  }
}

std::vector<Days> all_days() {
  using namespace std::chrono;
  std::vector<Days> result;
  const Days end = year(last_date_year + 1) / January / 1;
  for (Days day = year(first_date_year) / January / 1; day < end; day += days(1)) {
    result.push_back(day);
  }
  return result;
}

std::vector<Pair> write_distinct(std::span<const Days> days, std::size_t count,
                                 Generator& generator) {
  std::vector<Pair> pairs;
  std::unordered_set<std::string> seen;
  while (pairs.size() < count) {
    Pair pair = write_date(days[generator.below(days.size())], generator);
    if (seen.insert(pair.source).second) pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace

std::vector<std::string> date_formats() {
  std::vector<std::string> examples;
  for (const std::string_view format : formats) {
    examples.emplace_back();
    std::copy_if(format.begin(), format.end(), std::back_inserter(examples.back()),
                 [](char c) { return c != '{' && c != '}'; });
  }
  return examples;
}

Pair random_date(Generator& generator) {
  static const std::vector<Days> days = all_days();
  return write_date(days[generator.below(days.size())], generator);
}

DateSets generate_dates(std::uint64_t seed, std::size_t train, std::size_t valid,
                        std::size_t test) {
  Generator generator(seed);
  std::vector<Days> days = all_days();
  shuffle(std::span(days), generator);
  const std::size_t twentieth = days.size() / 20;
  const std::span<const Days> all = days;
  // The sets are written test first, so that the size of another does not change it.
  DateSets sets;
  sets.test = write_distinct(all.first(twentieth), test, generator);
  sets.valid = write_distinct(all.subspan(twentieth, twentieth), valid, generator);
  sets.train = write_distinct(all.subspan(2 * twentieth), train, generator);
  return sets;
}

}  // namespace attune::data
