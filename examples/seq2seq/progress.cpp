#include "examples/seq2seq/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "examples/seq2seq/console.h"

namespace seq2seq {
namespace {

using namespace std::chrono_literals;

// How often a bar is redrawn, and how often a line tells of progress where there is no bar.
constexpr auto redraw_interval = 100ms;
constexpr auto line_interval = 10s;

// The time after which a step counts for 1/e of what it did.
constexpr double memory_seconds = 5;
constexpr double memory_steps = 20;

// What cannot be shown must not stop what is being learned: errors are ignored.
void put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

Progress::Progress(std::int64_t begin, std::int64_t end, bool quiet)
    : begin_(begin), end_(end), step_(begin), quiet_(quiet), terminal_(is_terminal()) {}

void Progress::update(const attune::nn::StepReport& report) {
  step_ = report.step;
  const double kept = std::exp(-report.seconds / memory_seconds);
  tokens_ = tokens_ * kept + static_cast<double>(report.tokens);
  seconds_ = seconds_ * kept + report.seconds;
  const double kept_loss = std::exp(-1 / memory_steps);
  loss_ = loss_ * kept_loss + report.loss;
  losses_ = losses_ * kept_loss + 1;
  const auto now = Clock::now();
  if (now - shown_ < (terminal_ ? redraw_interval : Clock::duration(line_interval))) return;
  if (terminal_) {
    shown_ = now;
    draw();
  } else {
    print(status());
  }
}

void Progress::print(std::string_view line) {
  if (quiet_) return;
  clear();
  put(fmt::format("{}\n", line));
  shown_ = Clock::now();
  if (terminal_ && step_ > begin_) draw();
}

void Progress::warn(std::string_view sentence) {
  clear();
  fmt::print(stderr, "seq2seq: {}\n", sentence);
}

std::string Progress::status() const {
  std::string words =
      fmt::format("step {}{}  loss {:.4f}  {} tokens/s", grouped(step_),
                  end_ > 0 ? "/" + grouped(end_) : "", losses_ > 0 ? loss_ / losses_ : 0.0,
                  grouped(seconds_ > 0 ? std::llround(tokens_ / seconds_) : 0));
  if (end_ > 0) words += fmt::format("  {} left", clock_time(seconds_left()));
  return words;
}

void Progress::draw() {
  if (quiet_) return;
  const std::size_t width = terminal_columns() - 1;
  const double done =
      static_cast<double>(step_) / static_cast<double>(std::max<std::int64_t>(end_, 1));
  std::string line = end_ > 0 ? fmt::format(" {:3.0f} % ", 100 * done) : " ";
  const std::string words = status();
  // The bar takes what the words leave, unless that is too little to see anything in.
  if (end_ > 0 && width > line.size() + words.size() + 14) {
    const std::size_t room = std::min<std::size_t>(width - line.size() - words.size() - 4, 40);
    const auto filled =
        static_cast<std::size_t>(std::clamp(done, 0.0, 1.0) * static_cast<double>(room));
    line += fmt::format("[{:#<{}}{:-<{}}]  ", "", filled, "", room - filled);
  }
  line += words;
  put(fmt::format("\r{}\x1b[K", line.substr(0, width)));
  drawn_ = true;
}

void Progress::clear() {
  if (!drawn_) return;
  put("\r\x1b[K");
  drawn_ = false;
}

double Progress::seconds_left() const {
  if (step_ == begin_) return 0;
  const std::chrono::duration<double> elapsed = Clock::now() - started_;
  return elapsed.count() / static_cast<double>(step_ - begin_) * static_cast<double>(end_ - step_);
}

bool is_terminal() {
  return isatty(STDOUT_FILENO) == 1;
}

std::string grouped(std::string digits) {
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  for (std::size_t end = digits.size(); end > first + 3; end -= 3) digits.insert(end - 3, 1, ',');
  return digits;
}

std::string clock_time(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, std::round(seconds)));
  const std::int64_t hours = whole / 3600, minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

}  // namespace seq2seq
