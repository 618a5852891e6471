// bottleneck: why attention exists, by measurement. Trains models with and without it to say
// strings backwards, tests them on strings of each length, compares the scores, and draws a page.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "autograd/error.h"
#include "autograd/kernels/parallel.h"
#include "examples/bottleneck/report.h"

namespace {

using namespace bottleneck;

struct Options {
  std::string part = "all", out = "bottleneck.html";
  std::int64_t hidden = 64, updates = 0, seeds = 0, threads = 0;
  bool quick = false;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("--part", options.part,
                 "What to run: the strings backwards by length, the control task, the comparison "
                 "of scores, or all")
      ->check(CLI::IsMember({"reverse", "copy", "scores", "all"}))
      ->capture_default_str();
  app.add_flag("--quick", options.quick,
               "One seed and fewer updates; without --part, strings backwards only");
  app.add_option("--hidden", options.hidden, "Hidden size of the models compared by length")
      ->check(CLI::Range(8, 1024))
      ->capture_default_str();
  app.add_option("--updates", options.updates, "Updates of each model [4000]")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--seeds", options.seeds, "Seeds a model, 1 and up [3]")
      ->check(CLI::Range(1, 100));
  app.add_option("--threads", options.threads, "Threads to use [all cores]")
      ->check(CLI::Range(1, 1024));
  app.add_option("-o,--out", options.out, "The page to write, anew after every run")
      ->capture_default_str();
}

Plan plan_of(const Options& options) {
  Plan plan;
  const bool all = options.part == "all" && !options.quick;
  plan.reverse = options.part == "all" || options.part == "reverse";
  plan.copy = all || options.part == "copy";
  plan.scores = all || options.part == "scores";
  plan.hidden = options.hidden;
  plan.out = options.out;
  if (options.quick) {
    plan.seeds = 1;
    plan.updates = 1200;
  }
  if (options.seeds > 0) plan.seeds = options.seeds;
  if (options.updates > 0) plan.updates = options.updates;
  return plan;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Trains models with and without attention to say random strings of 2 to 40 letters "
      "backwards, "
      "tests\nthem on strings of each length up to 60, and draws what comes out as a page.",
      "bottleneck");
  Options options;
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.threads > 0) attune::set_num_threads(static_cast<int>(options.threads));
    run(plan_of(options));
  } catch (const std::exception& error) {
    fmt::print(stderr, "bottleneck: {}\n", error.what());
    return 1;
  }
  return 0;
}
