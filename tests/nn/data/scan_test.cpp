// SCAN against the counts of its paper and commands worked out by hand.

#include "nn/data/scan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

using namespace attune::data;

namespace {

std::string actions_of(const std::vector<Pair>& commands, const std::string& command) {
  for (const Pair& pair : commands) {
    if (pair.source == command) return pair.target;
  }
  return "";
}

std::size_t length(const Pair& pair) {
  return static_cast<std::size_t>(std::count(pair.target.begin(), pair.target.end(), ' ')) + 1;
}

std::set<std::string> commands_of(const std::vector<Pair>& pairs) {
  std::set<std::string> result;
  for (const Pair& pair : pairs) result.insert(pair.source);
  return result;
}

}  // namespace

TEST_CASE("the grammar makes each of the 20,910 commands once") {
  const std::vector<Pair> commands = scan_commands();
  CHECK(commands.size() == 20910);
  CHECK(commands_of(commands).size() == 20910);
  const auto of_words = [&](const std::string& word) {
    return std::count_if(commands.begin(), commands.end(), [&](const Pair& pair) {
      return pair.source.find(word) != std::string::npos;
    });
  };
  CHECK(of_words(" and ") == 102 * 102);
  CHECK(of_words(" after ") == 102 * 102);
  // Seven of the 34 verbs jump, each once, twice or thrice.
  CHECK(of_words("jump") == 21 + 2 * (102 * 102 - 81 * 81));
  std::size_t longest = 0;
  for (const Pair& pair : commands) longest = std::max(longest, length(pair));
  CHECK(longest == 48);
}

TEST_CASE("commands mean what the paper says") {
  const std::vector<Pair> commands = scan_commands();
  CHECK(actions_of(commands, "jump") == "I_JUMP");
  CHECK(actions_of(commands, "jump left") == "I_TURN_LEFT I_JUMP");
  CHECK(actions_of(commands, "turn left") == "I_TURN_LEFT");
  CHECK(actions_of(commands, "turn opposite left") == "I_TURN_LEFT I_TURN_LEFT");
  CHECK(actions_of(commands, "jump opposite right") == "I_TURN_RIGHT I_TURN_RIGHT I_JUMP");
  CHECK(actions_of(commands, "turn around right") ==
        "I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT I_TURN_RIGHT");
  CHECK(actions_of(commands, "run around left") ==
        "I_TURN_LEFT I_RUN I_TURN_LEFT I_RUN I_TURN_LEFT I_RUN I_TURN_LEFT I_RUN");
  CHECK(actions_of(commands, "walk after look left thrice") ==
        "I_TURN_LEFT I_LOOK I_TURN_LEFT I_LOOK I_TURN_LEFT I_LOOK I_WALK");
  CHECK(actions_of(commands, "walk twice and run") == "I_WALK I_WALK I_RUN");
  CHECK(actions_of(commands, "turn") == "");
}

TEST_CASE("the simple split is a random fifth, the same for equal seeds") {
  const ScanSets sets = scan_simple_split(3);
  CHECK(sets.train.size() == 16728);
  CHECK(sets.test.size() == 4182);
  std::set<std::string> all = commands_of(sets.train);
  all.merge(commands_of(sets.test));
  CHECK(all.size() == 20910);
  CHECK(scan_simple_split(3).test == sets.test);
  CHECK(scan_simple_split(4).test != sets.test);
}

TEST_CASE("the length split tests what is longer than all that is trained on") {
  const ScanSets sets = scan_length_split();
  CHECK(sets.train.size() == 16990);
  CHECK(sets.test.size() == 3920);
  for (const Pair& pair : sets.train) CHECK(length(pair) <= 22);
  for (const Pair& pair : sets.test) CHECK(length(pair) > 22);
}
