#include "nn/data/scan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string>

#include "autograd/random.h"

namespace attune::data {
namespace {

// A phrase and its actions, joined by spaces.
using Phrases = std::vector<Pair>;

std::string repeated(const std::string& actions, std::size_t times) {
  return fmt::format("{}", fmt::join(std::vector<std::string>(times, actions), " "));
}

// V: what is done once.
Phrases verbs() {
  Phrases phrases;
  for (const char* const d : {"left", "right"}) {
    const std::string turn = d == std::string("left") ? "I_TURN_LEFT" : "I_TURN_RIGHT";
    const auto directed = [&](const std::string& w, const std::string& act) {
      const std::string once = act.empty() ? turn : turn + ' ' + act;
      phrases.push_back({fmt::format("{} {}", w, d), once});
      phrases.push_back({fmt::format("{} opposite {}", w, d), turn + ' ' + once});
      phrases.push_back({fmt::format("{} around {}", w, d), repeated(once, 4)});
    };
    directed("turn", "");
    directed("walk", "I_WALK");
    directed("look", "I_LOOK");
    directed("run", "I_RUN");
    directed("jump", "I_JUMP");
  }
  for (const Pair& u : std::initializer_list<Pair>{
           {"walk", "I_WALK"}, {"look", "I_LOOK"}, {"run", "I_RUN"}, {"jump", "I_JUMP"}}) {
    phrases.push_back(u);
  }
  return phrases;
}

// S: verbs, and how often.
Phrases sentences() {
  Phrases phrases;
  for (const Pair& verb : verbs()) {
    phrases.push_back(verb);
    phrases.push_back({verb.source + " twice", repeated(verb.target, 2)});
    phrases.push_back({verb.source + " thrice", repeated(verb.target, 3)});
  }
  return phrases;
}

}  // namespace

std::vector<Pair> scan_commands() {
  const Phrases parts = sentences();
  std::vector<Pair> commands = parts;
  for (const Pair& a : parts) {
    for (const Pair& b : parts) {
      commands.push_back({a.source + " and " + b.source, a.target + ' ' + b.target});
      commands.push_back({a.source + " after " + b.source, b.target + ' ' + a.target});
    }
  }
  return commands;
}

ScanSets scan_simple_split(std::uint64_t seed) {
  std::vector<Pair> commands = scan_commands();
  Generator generator(seed);
  shuffle(std::span(commands), generator);
  const auto tests = static_cast<std::ptrdiff_t>(commands.size() / 5);
  return {{commands.begin() + tests, commands.end()}, {commands.begin(), commands.begin() + tests}};
}

ScanSets scan_length_split() {
  ScanSets sets;
  for (Pair& pair : scan_commands()) {
    const auto spaces = std::count(pair.target.begin(), pair.target.end(), ' ');
    const bool trained = static_cast<std::size_t>(spaces) < longest_trained_scan;
    (trained ? sets.train : sets.test).push_back(std::move(pair));
  }
  return sets;
}

}  // namespace attune::data
