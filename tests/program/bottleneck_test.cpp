// The experiment of examples/bottleneck, with too few updates to learn anything.

#include <doctest/doctest.h>

#include "tests/program/sandbox.h"

namespace {

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::size_t times_in(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
    ++found;
  }
  return found;
}

Outcome run_bottleneck(const Sandbox& sandbox, const std::string& options) {
  return sandbox.run(ATTUNE_BOTTLENECK, options + " --hidden 8 --out page.html");
}

// The parameters of a model, from the table of letters right.
int parameters_of(const std::string& out, const std::string& model) {
  const std::size_t table = out.find("letters right, % ");
  REQUIRE(table != std::string::npos);
  const std::size_t row = out.find("\n" + model + "  ", table);
  REQUIRE(row != std::string::npos);
  return std::stoi(out.substr(row + model.size() + 1));
}

}  // namespace

TEST_CASE("strings backwards: four models, a table by length and a page") {
  const Sandbox sandbox;
  const Outcome outcome = run_bottleneck(sandbox, "--part reverse --updates 2 --seeds 2");
  CHECK(outcome.err == "");
  REQUIRE(outcome.status == 0);
  CHECK(outcome.out.starts_with(
      "Strings backwards: 2 updates of 64 strings of 2 to 40 letters, 2 seeds\n"));
  CHECK(times_in(outcome.out, ", seed 2: letters right ") == 4);
  CHECK(parameters_of(outcome.out, "fixed vector at every step, wider") >=
        parameters_of(outcome.out, "additive attention"));
  CHECK(parameters_of(outcome.out, "fixed vector at every step") <
        parameters_of(outcome.out, "additive attention"));
  CHECK_FALSE(says(outcome.out, "The control"));
  const std::string page = sandbox.read("page.html");
  CHECK(says(page, "random strings of 2 to 40 letters backwards, from 2 updates"));
  CHECK(says(page, "Lines are means over 2 seeds"));
  CHECK(times_in(page, "<svg") == 2);
  CHECK(times_in(page, "<table") == 2);
  CHECK(times_in(page, "<polyline") == 8);  // four models by length, and as they learn
  CHECK_FALSE(says(page, "://"));           // needs nothing from elsewhere
}

TEST_CASE("--quick alone says strings backwards, and with a part that part") {
  const Sandbox sandbox;
  const Outcome alone = run_bottleneck(sandbox, "--quick --updates 1");
  REQUIRE(alone.status == 0);
  CHECK(alone.out.starts_with(
      "Strings backwards: 1 updates of 64 strings of 2 to 40 letters, 1 seed\n"));
  CHECK_FALSE(says(alone.out, "The control"));
  const Outcome control = run_bottleneck(sandbox, "--quick --part copy --updates 1");
  REQUIRE(control.status == 0);
  CHECK(control.out.starts_with("The control: strings as they are: 1 updates"));
  CHECK_FALSE(says(control.out, "Strings backwards"));
  CHECK(says(sandbox.read("page.html"), "The control: strings as they are"));
  CHECK(says(sandbox.read("page.html"), "letters as they are, from 1 updates"));
}

TEST_CASE("the scores are compared at every width") {
  const Sandbox sandbox;
  const Outcome outcome = run_bottleneck(sandbox, "--quick --part scores --updates 4");
  REQUIRE(outcome.status == 0);
  for (const char* const score : {"additive", "dot", "general", "scaled", "multihead"}) {
    for (const char* const width : {" 32, ", " 512, "}) {
      CHECK(says(outcome.out, std::string("  ") + score + width));
    }
  }
  CHECK(says(outcome.out, "updates to 95 %"));
  const std::string page = sandbox.read("page.html");
  CHECK(times_in(page, "<svg") == 2);
  CHECK(times_in(page, "<tr>") == 1 + 5 * 5);
  CHECK_FALSE(says(page, "40 letters"));  // these are of 2 to 20
}

TEST_CASE("a page that cannot be written is told before anything is trained") {
  const Sandbox sandbox;
  const Outcome outcome = sandbox.run(ATTUNE_BOTTLENECK, "--quick --out nowhere/page.html");
  CHECK(outcome.status == 1);
  CHECK(outcome.err == "bottleneck: nowhere/page.html cannot be written.\n");
  CHECK(outcome.out == "");
}
