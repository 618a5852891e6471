#pragma once
// Runs the experiments one after the other, prints what comes out, and keeps a page of it.

#include <cstdint>
#include <string>

namespace bottleneck {

struct Plan {
  bool reverse = true, copy = true, scores = true;
  std::int64_t hidden = 64;
  std::int64_t updates = 4000;
  std::int64_t seeds = 3;
  std::string out;  // the page
};

// Error where the page cannot be written.
void run(const Plan& plan);

}  // namespace bottleneck
