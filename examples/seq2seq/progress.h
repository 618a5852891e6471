#pragma once
// What one sees while a model learns: on a terminal a bar that redraws itself below the lines
// printed so far, elsewhere plain lines.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "nn/trainer.h"

namespace seq2seq {

class Progress {
 public:
  // From step `begin` to at most step `end`, or 0 where that is open. Writes to stdout; nothing at
  // all if `quiet`.
  Progress(std::int64_t begin, std::int64_t end, bool quiet);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  void update(const attune::nn::StepReport& report);
  // A line of its own, above the bar.
  void print(std::string_view line);
  // A sentence to stderr, even if quiet.
  void warn(std::string_view sentence);
  // Removes the bar; the next update() draws it anew.
  void clear();
  // Where training stands, in words: "step 200/1000  loss 0.0312  21,400 tokens/s  1:10 left".
  std::string status() const;

 private:
  using Clock = std::chrono::steady_clock;

  void draw();
  double seconds_left() const;

  std::int64_t begin_, end_, step_;
  bool quiet_, terminal_;
  bool drawn_ = false;
  Clock::time_point started_ = Clock::now();
  Clock::time_point shown_ = started_;
  // Sums in which what lies further back counts less.
  double tokens_ = 0, seconds_ = 0, loss_ = 0, losses_ = 0;
};

// Whether stdout is a terminal.
bool is_terminal();
// A whole number with commas: "1,234,567".
std::string grouped(std::string digits);
std::string grouped(std::integral auto number) {
  return grouped(std::to_string(number));
}
// "0:45", "12:05", "1:02:03".
std::string clock_time(double seconds);

}  // namespace seq2seq
