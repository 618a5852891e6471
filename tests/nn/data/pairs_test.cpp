// Files of pairs: what is read, and the exact sentence for all that is wrong with one.

#include "nn/data/pairs.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "autograd/error.h"
#include "autograd/random.h"
#include "nn/data/utf8.h"
#include "tests/folder.h"

using attune::Error;
using attune::Generator;
using attune::data::HeldOut;
using attune::data::hold_out;
using attune::data::Pair;
using attune::data::parse_pairs;
using attune::data::read_pairs;
using Pairs = std::vector<Pair>;

namespace {

void check_fault(std::string_view text, const std::string& sentence) {
  CHECK_THROWS_WITH_AS(parse_pairs(text, "p.tsv"), sentence.c_str(), Error);
}

Pairs numbered_pairs(std::size_t count, std::size_t distinct_sources) {
  Pairs pairs;
  for (std::size_t i = 0; i < count; ++i) {
    pairs.push_back({fmt::format("s{}", i % distinct_sources), fmt::format("t{}", i)});
  }
  return pairs;
}

}  // namespace

TEST_CASE("a line is a source, a tab and a target") {
  const Pairs expected = {{"ich bin", "I am"}, {"é", "語"}};
  CHECK(parse_pairs("ich bin\tI am\né\t語\n", "p") == expected);
  CHECK(parse_pairs("ich bin\tI am\né\t語", "p") == expected);
  CHECK(parse_pairs("ich bin\tI am\r\né\t語\r\n", "p") == expected);
  CHECK(parse_pairs("\xEF\xBB\xBFich bin\tI am\né\t語\n", "p") == expected);
  CHECK(parse_pairs("\n \nich bin\tI am\n\r\n\u3000\né\t語\n\n", "p") == expected);
}

TEST_CASE("spaces in a line are the user's") {
  CHECK(parse_pairs(" a \t b \n", "p") == Pairs{{" a ", " b "}});
}

TEST_CASE("a line that is no pair is named by its number") {
  const std::string form = "a line is a source, one tab and a target";
  check_fault("a b\n", "p.tsv:1: there is no tab; " + form);
  check_fault("a\tb\n\nc d", "p.tsv:3: there is no tab; " + form);
  check_fault("a\tb\r\nc\td\te\r\n", "p.tsv:2: there are 2 tabs; " + form);
  check_fault("a\tb\n\tc\n", "p.tsv:2: the source, before the tab, is empty");
  check_fault("a\tb\n \tc\n", "p.tsv:2: the source, before the tab, is empty");
  check_fault("a\t\n", "p.tsv:1: the target, after the tab, is empty");
  check_fault("a\t\u3000 \r\n", "p.tsv:1: the target, after the tab, is empty");
  check_fault("\t\n", "p.tsv:1: the source, before the tab, is empty");
}

TEST_CASE("bytes that are no text are named by line and column") {
  check_fault("a\tb\né\tx\xFFy\n",
              "p.tsv:2: byte 0xFF at column 4 is not valid UTF-8; save the file as UTF-8");
  check_fault("caf\xE9\tcoffee\n",
              "p.tsv:1: byte 0xE9 at column 4 is not valid UTF-8; save the file as UTF-8");
  check_fault("a\tb\n\xFF",
              "p.tsv:2: byte 0xFF at column 1 is not valid UTF-8; save the file as UTF-8");
  check_fault(std::string_view("a\0b\tc", 5),
              "p.tsv:1: there is a zero byte at column 2; the file must be UTF-8 text");
  check_fault(std::string_view("\xFF\xFE"
                               "a\0\t\0b\0",
                               8),
              "p.tsv: is UTF-16 text; save it as UTF-8");
}

TEST_CASE("a file without pairs is refused") {
  const std::string form = "a line is a source, one tab and a target";
  check_fault("", "p.tsv: is empty; " + form);
  check_fault("\xEF\xBB\xBF", "p.tsv: is empty; " + form);
  check_fault("\n \r\n\n", "p.tsv: has blank lines only; " + form);
}

TEST_CASE("files are read as they are, and errors carry their path") {
  const Folder folder;
  CHECK(read_pairs(folder.write("a.tsv", "a\tb\r\n")) == Pairs{{"a", "b"}});
  const std::string bad = folder.write("bad.tsv", "a\tb\nc\n");
  const std::string expected =
      bad + ":2: there is no tab; a line is a source, one tab and a target";
  CHECK_THROWS_WITH_AS(read_pairs(bad), expected.c_str(), Error);
}

TEST_CASE("a file that cannot be read is refused with the reason") {
  const Folder folder;
  const auto check = [](const std::string& path, const std::string& rest) {
    CHECK_THROWS_WITH_AS(read_pairs(path), (path + rest).c_str(), Error);
  };
  check(folder.path(), ": is a directory; name a file of pairs in it");
  check(folder.path("none.tsv"), ": cannot be read: No such file or directory");
  check(folder.write("a", "a\tb\n") + "/b", ": cannot be read: Not a directory");
  if (geteuid() != 0) {  // root may read everything
    const std::string secret = folder.write("secret.tsv", "a\tb\n");
    std::filesystem::permissions(secret, std::filesystem::perms::none);
    check(secret, ": cannot be read: Permission denied");
  }
  if (std::filesystem::exists("/proc/self/mem")) {  // opens, but its first page cannot be read
    check("/proc/self/mem", ": cannot be read: Input/output error");
  }
}

TEST_CASE("lines may be of any length") {
  const std::string source(3'000'000, 's'), target(1'000'000, 't');
  const Pairs pairs = parse_pairs(source + "\t" + target + "\n", "p");
  CHECK(pairs.size() == 1);
  CHECK(pairs[0].source == source);
  CHECK(pairs[0].target == target);
}

TEST_CASE("damaged files are read without loss, or refused in one sentence with a line") {
  const std::vector<std::string> pieces = {
      "a",           "é", " ", "\t", "\n", "\r\n", "\r", "\xFF", "\xC3", std::string(1, '\0'),
      "\xEF\xBB\xBF"};
  std::size_t read = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    CAPTURE(seed);
    Generator generator(seed);
    std::string text;
    for (std::uint64_t lines = generator.below(5); lines > 0; --lines) text += "ab\té\n";
    for (std::uint64_t edits = generator.below(4); edits > 0; --edits) {
      const std::size_t place = generator.below(text.size() + 1);
      text.insert(place, pieces[generator.below(pieces.size())]);
    }
    try {
      for (const Pair& pair : parse_pairs(text, "p.tsv")) {
        CHECK(text.find(pair.source + "\t" + pair.target) != std::string::npos);
        CHECK_FALSE(attune::data::find_invalid_utf8(pair.source + pair.target).has_value());
      }
      ++read;
    } catch (const Error& error) {
      const std::string sentence = error.what();
      CHECK(sentence.starts_with("p.tsv:"));
      CHECK(sentence.find('\n') == std::string::npos);
      ++refused;
    }
  }
  CHECK(read > 500);
  CHECK(refused > 500);
}

TEST_CASE("the held-out part has the size asked for and loses nothing") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    Generator generator(seed);
    const std::size_t count = 2 + generator.below(200);
    const Pairs pairs = numbered_pairs(count, count);
    const HeldOut parts = hold_out(pairs, 0.1, seed);
    CHECK(parts.valid.size() == std::max<std::size_t>(1, (count + 5) / 10));
    CHECK(parts.train.size() + parts.valid.size() == count);
    Pairs all;
    const auto by_number = [&](const Pair& a, const Pair& b) {
      return std::stoi(a.target.substr(1)) < std::stoi(b.target.substr(1));
    };
    CHECK(std::is_sorted(parts.train.begin(), parts.train.end(), by_number));
    CHECK(std::is_sorted(parts.valid.begin(), parts.valid.end(), by_number));
    std::merge(parts.train.begin(), parts.train.end(), parts.valid.begin(), parts.valid.end(),
               std::back_inserter(all), by_number);
    CHECK(all == pairs);
  }
}

TEST_CASE("pairs of one source stay on one side") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    const HeldOut parts = hold_out(numbered_pairs(100, 30), 0.2, seed);
    std::set<std::string> trained;
    for (const Pair& pair : parts.train) trained.insert(pair.source);
    for (const Pair& pair : parts.valid) CHECK(!trained.contains(pair.source));
    CHECK(parts.valid.size() >= 16);
    CHECK(parts.valid.size() <= 20);
  }
}

TEST_CASE("each side has a pair, however lopsided the sources or the fraction") {
  Pairs lopsided = numbered_pairs(50, 1);
  lopsided.push_back({"other", "t"});
  for (const double fraction : {0.001, 0.1, 0.5, 0.999}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const HeldOut parts = hold_out(lopsided, fraction, seed);
      CHECK(parts.valid == Pairs{{"other", "t"}});
      const HeldOut two = hold_out(numbered_pairs(2, 2), fraction, seed);
      CHECK(two.valid.size() == 1);
      CHECK(two.train.size() == 1);
    }
  }
}

TEST_CASE("the seed decides what is held out") {
  const Pairs pairs = numbered_pairs(100, 100);
  CHECK(hold_out(pairs, 0.2, 1).valid == hold_out(pairs, 0.2, 1).valid);
  CHECK(hold_out(pairs, 0.2, 1).valid != hold_out(pairs, 0.2, 2).valid);
}

TEST_CASE("what cannot be held out is refused") {
  const Pairs pairs = numbered_pairs(10, 10);
  for (const double fraction : {0.0, 1.0, -0.5, 1.5, std::nan("")}) {
    CHECK_THROWS_AS(hold_out(pairs, fraction, 1), Error);
  }
  CHECK_THROWS_WITH_AS(hold_out(pairs, 1.5, 1),
                       "cannot hold out 1.5 of the pairs; give a fraction between 0 and 1", Error);
  CHECK_THROWS_WITH_AS(hold_out(numbered_pairs(3, 1), 0.5, 1),
                       "cannot hold out any of 3 pairs with 1 distinct sources; give at least two "
                       "sources, or a file of validation pairs",
                       Error);
  CHECK_THROWS_AS(hold_out({}, 0.5, 1), Error);
}
