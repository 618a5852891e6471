#include "examples/bottleneck/report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <map>

#include "examples/bottleneck/experiment.h"
#include "examples/bottleneck/page.h"

namespace bottleneck {
namespace {

using attune::nn::Attention;

const std::vector<std::int64_t> trained_lengths{5, 10, 15, 20, 25, 30, 35, 40};
const std::vector<std::int64_t> longer_lengths{45, 50, 55, 60};
constexpr double enough = 0.95;  // of the letters right, for "updates to 95 %"

std::vector<std::int64_t> all_lengths() {
  std::vector<std::int64_t> all = trained_lengths;
  all.insert(all.end(), longer_lengths.begin(), longer_lengths.end());
  return all;
}

std::string percent(double share) {
  return fmt::format("{:.1f}", 100 * share);
}

// A value over the seeds.
struct Spread {
  double mean = 0, low = 0, high = 0;
};

template <class F>
Spread spread_of(const std::vector<Run>& runs, const F& value) {
  Spread result{0, 1e300, -1e300};
  for (const Run& run : runs) {
    const double v = value(run);
    result.mean += v / static_cast<double>(runs.size());
    result.low = std::min(result.low, v);
    result.high = std::max(result.high, v);
  }
  return result;
}

// "97.3 (96.8-97.9)".
std::string written(const Spread& s, std::string (*number)(double) = percent) {
  if (s.low == s.high) return number(s.mean);
  return fmt::format("{} ({}-{})", number(s.mean), number(s.low), number(s.high));
}

// The runs of an experiment, by contender, in the order in which they came.
class Runs {
 public:
  void add(Run run) {
    const auto known = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) {
      return group.front().name == run.name;
    });
    if (known == groups_.end()) {
      groups_.push_back({std::move(run)});
    } else {
      known->push_back(std::move(run));
    }
  }
  const std::vector<std::vector<Run>>& groups() const { return groups_; }
  bool empty() const { return groups_.empty(); }

 private:
  std::vector<std::vector<Run>> groups_;
};

Table lengths_table(const Runs& runs, bool exact) {
  Table table{{exact ? "strings right, %" : "letters right, %", "parameters"}, {}};
  const std::vector<std::int64_t> lengths = all_lengths();
  for (const std::int64_t length : lengths) table.header.push_back(fmt::format("{}", length));
  for (const auto& group : runs.groups()) {
    std::vector<std::string> row{group[0].name, fmt::format("{}", group[0].parameters)};
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      row.push_back(written(spread_of(group, [&](const Run& run) {
        return exact ? run.by_length[i].exact : run.by_length[i].tokens;
      })));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Chart lengths_chart(const Runs& runs, const char* title) {
  Chart chart{
      title, "letters in the string (shaded: longer than any trained on)", "letters right", {}};
  chart.shaded_from = 40;
  for (const auto& group : runs.groups()) {
    Series series{group[0].name, {}};
    for (std::size_t i = 0; i < group[0].lengths.size(); ++i) {
      const Spread s = spread_of(group, [&](const Run& run) { return run.by_length[i].tokens; });
      series.points.push_back({static_cast<double>(group[0].lengths[i]), s.mean, s.low, s.high});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

Chart learning_chart(const Runs& runs) {
  Chart chart{"Letters right, as they learn", "updates", "letters right", {}};
  for (const auto& group : runs.groups()) {
    Series series{group[0].name, {}};
    for (std::size_t i = 0; i < group[0].looks.size(); ++i) {
      const Spread s =
          spread_of(group, [&](const Run& run) { return run.looks[i].accuracy.tokens; });
      series.points.push_back(
          {static_cast<double>(group[0].looks[i].update), s.mean, s.low, s.high});
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

// The runs of the scores at every width, one for each seed: [score][width][seed].
struct Comparison {
  std::vector<std::pair<std::string, std::map<std::int64_t, std::vector<Run>>>> scores;
};

std::vector<Run> that_came_to_enough(const std::vector<Run>& runs) {
  std::vector<Run> these;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(these),
               [](const Run& run) { return run.updates_to(enough) > 0; });
  return these;
}

double updates_to_enough(const Run& run) {
  return static_cast<double>(run.updates_to(enough));
}

double letters_right(const Run& run) {
  return run.looks.back().accuracy.tokens;
}

// "525 (500-550)", "525, 1 of 3 seeds", "never".
std::string updates_written(const std::vector<Run>& runs) {
  const std::vector<Run> these = that_came_to_enough(runs);
  if (these.empty()) return "never";
  std::string text = written(spread_of(these, updates_to_enough),
                             [](double updates) { return fmt::format("{:.0f}", updates); });
  if (these.size() < runs.size()) {
    text += fmt::format(", {} of {} seeds", these.size(), runs.size());
  }
  return text;
}

Table scores_table(const Comparison& comparison) {
  Table table{
      {"score", "width", "parameters", "updates to 95 %", "letters right, %", "ms an update"}, {}};
  for (const auto& [name, by_width] : comparison.scores) {
    for (const auto& [width, runs] : by_width) {
      const Spread time = spread_of(runs, [](const Run& run) { return run.milliseconds; });
      table.rows.push_back({name, fmt::format("{}", width), fmt::format("{}", runs[0].parameters),
                            updates_written(runs), written(spread_of(runs, letters_right)),
                            fmt::format("{:.1f}", time.mean)});
    }
  }
  return table;
}

Chart scores_chart(const Comparison& comparison, const char* title, const char* y, double highest,
                   double (*value)(const Run&)) {
  Chart chart{title, "hidden size", y, {}, 0, highest, true};
  for (const auto& [name, by_width] : comparison.scores) {
    Series series{name, {}};
    for (const auto& [width, runs] : by_width) {
      const Spread s = spread_of(runs, value);
      if (s.low > 0) {
        series.points.push_back({static_cast<double>(width), s.mean, s.low, s.high});
      }
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

class Report {
 public:
  explicit Report(const Plan& plan) : plan_(plan) {}

  void run() {
    save();  // a page that cannot be written is told before the hours, not after
    const auto start = std::chrono::steady_clock::now();
    if (plan_.reverse) by_length(Task::reverse, reverse_, "Strings backwards");
    if (plan_.copy) by_length(Task::copy, copy_, "The control: strings as they are");
    if (plan_.scores) compare_scores();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    fmt::print("All of it took {:.0f} min {:.0f} s. The page is {}.\n", std::floor(seconds / 60),
               std::fmod(seconds, 60), plan_.out);
  }

 private:
  Run one(const Contender& contender, const Budget& budget, std::uint64_t seed,
          const std::vector<std::int64_t>& lengths) {
    const bool live = isatty(fileno(stdout)) != 0;
    const Progress progress = [&](const Look& look) {
      if (!live) return;
      fmt::print("\r\033[K  {}, seed {}: update {} of {}, loss {:.3f}, letters right {} %",
                 contender.name, seed, look.update, budget.updates, look.loss,
                 percent(look.accuracy.tokens));
      std::fflush(stdout);
    };
    const Run result = train_and_test(contender, budget, seed, lengths, progress);
    if (live) fmt::print("\r\033[K");
    fmt::print("  {}, seed {}: letters right {} %, {:.1f} ms an update\n", contender.name, seed,
               percent(result.looks.back().accuracy.tokens), result.milliseconds);
    std::fflush(stdout);
    return result;
  }

  void by_length(Task task, Runs& runs, const char* title) {
    fmt::print("{}: {} updates of 64 strings of 2 to 40 letters, {} seed{}\n", title, plan_.updates,
               plan_.seeds, plan_.seeds == 1 ? "" : "s");
    Budget budget;
    budget.task = task;
    budget.updates = plan_.updates;
    for (const Contender& contender : main_contenders(plan_.hidden)) {
      for (std::int64_t seed = 1; seed <= plan_.seeds; ++seed) {
        runs.add(one(contender, budget, static_cast<std::uint64_t>(seed), all_lengths()));
        save();
      }
    }
    fmt::print("\n{}\n{}\n", aligned(lengths_table(runs, false)),
               aligned(lengths_table(runs, true)));
  }

  void compare_scores() {
    Budget budget;
    const double highest_rate = budget.learning_rate;
    budget.longest = 20;
    budget.updates = std::max<std::int64_t>(1, plan_.updates / 4);
    budget.look_every = 25;
    budget.batch = 32;
    fmt::print("The scores: {} updates of {} strings of 2 to 20 letters backwards, {} seed{}\n",
               budget.updates, budget.batch, plan_.seeds, plan_.seeds == 1 ? "" : "s");
    for (const Attention attention : {Attention::additive, Attention::dot, Attention::general,
                                      Attention::scaled, Attention::multihead}) {
      const std::string name(name_of(attention));
      comparison_.scores.emplace_back(name, std::map<std::int64_t, std::vector<Run>>());
      for (const std::int64_t width : {32, 64, 128, 256, 512}) {
        Contender contender{fmt::format("{} {}", name, width), {}};
        contender.options.attention = attention;
        contender.options.embedding = width / 2;
        contender.options.hidden = contender.options.attention_size = width;
        // The same for all scores; wide models are thrown off by the rate that small ones need.
        budget.learning_rate = highest_rate * std::min(1.0, 128.0 / static_cast<double>(width));
        for (std::int64_t seed = 1; seed <= plan_.seeds; ++seed) {
          const Run run = one(contender, budget, static_cast<std::uint64_t>(seed), {});
          comparison_.scores.back().second[width].push_back(run);
          save();
        }
      }
    }
    fmt::print("\n{}\n", aligned(scores_table(comparison_)));
  }

  void save() const {
    Page page("Why attention exists");
    if (plan_.reverse || plan_.copy) page.paragraph(about_lengths());
    page.paragraph(plan_.seeds == 1 ? "One seed."
                                    : fmt::format("Lines are means over {} seeds, bands go from "
                                                  "the lowest to the highest.",
                                                  plan_.seeds));
    add_lengths(page, reverse_, "Strings backwards");
    add_lengths(page, copy_, "The control: strings as they are");
    if (!comparison_.scores.empty()) add_scores(page);
    page.write(plan_.out);
  }

  std::string about_lengths() const {
    const char* const task = !plan_.copy      ? "backwards"
                             : !plan_.reverse ? "as they are"
                                              : "backwards, and as they are";
    return fmt::format(
        "Models learn to say random strings of 2 to 40 letters {}, from {} updates of 64 strings "
        "each. An encoder reads the string. Without attention its decoder has one vector to go by; "
        "with additive attention it looks at every state of the encoder before each letter.",
        task, plan_.updates);
  }

  static void add_lengths(Page& page, const Runs& runs, const char* title) {
    if (runs.empty()) return;
    page.heading(title);
    page.chart(lengths_chart(runs, "Letters right, by the length of the string"));
    page.chart(learning_chart(runs));
    page.table(lengths_table(runs, false));
    page.table(lengths_table(runs, true));
  }

  void add_scores(Page& page) const {
    page.heading("The scores compared");
    page.paragraph(
        "Strings of 2 to 20 letters backwards; everything but the score is equal. The learning "
        "rate "
        "is 0.003 up to a width of 128, and falls as widths double beyond. The encoder's states "
        "are "
        "twice as wide as the decoder's, so that dot must first project them, which makes it "
        "general: the two compute the same. A line lacks a point where not every seed came to "
        "95 %.");
    page.chart(scores_chart(comparison_, "Updates until 95 % of the letters are right", "updates",
                            static_cast<double>(plan_.updates) / 4, updates_to_enough));
    page.chart(
        scores_chart(comparison_, "Letters right in the end", "letters right", 1, letters_right));
    page.table(scores_table(comparison_));
  }

  const Plan plan_;
  Runs reverse_, copy_;
  Comparison comparison_;
};

}  // namespace

void run(const Plan& plan) {
  Report(plan).run();
}

}  // namespace bottleneck
