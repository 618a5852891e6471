#pragma once
// The task the seq2seq program learns when it is given none: dates as people write them, to ISO
// 8601.
//
//   saturday, 3rd of september 1994  ->  1994-09-03
//
// Every text has exactly one answer, which the text alone determines. Where usage differs, these
// are the conventions:
//   - numbers alone are day, month, year ("3/9/1994", "03.09.94"), or year, month, day where the
//     four-digit year comes first ("1994-09-03", "19940903");
//   - the month comes before the day only where it is a word ("september 3, 1994");
//   - a two-digit year ("'94", "3/9/94") lies in 1950 to 2049;
//   - a weekday is that of the date, never a contradiction.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "autograd/random.h"
#include "nn/data/pairs.h"

namespace attune::data {

// Texts lie in these years, both included.
inline constexpr int first_date_year = 1900, last_date_year = 2099;
// No generated text is longer; a character is a byte of ASCII.
inline constexpr std::size_t longest_date_text = 50;

// Each form a date can take, as a text for saturday, 3 september 1994.
std::vector<std::string> date_formats();

// A date of any year, in a form, case and spacing of its own: source the text, target ISO.
Pair random_date(Generator& generator);

struct DateSets {
  std::vector<Pair> train, valid, test;
};

// Sets of the given sizes without a text in common, nor a calendar day: of the days, in an order
// shuffled by `seed`, one in twenty is kept for `test`, one in twenty for `valid`, the rest are for
// `train`. No text occurs twice. Equal arguments give equal sets on every machine, and `test`
// depends on the seed and its own size only.
DateSets generate_dates(std::uint64_t seed, std::size_t train, std::size_t valid, std::size_t test);

}  // namespace attune::data
