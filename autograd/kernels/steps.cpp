#include "autograd/kernels/steps.h"

#include <algorithm>
#include <numeric>

namespace attune {
namespace {

// Fewer rows would read the weights too often for the work they do with them.
constexpr std::int64_t rows_a_task = 32;

void number_steps(StepTask& task, const std::vector<std::int64_t>& lengths, std::int64_t first) {
  for (const std::int64_t row : task.rows) {
    task.lengths.push_back(lengths[static_cast<std::size_t>(row)]);
  }
  task.starts.push_back(first);
  auto working = static_cast<std::int64_t>(task.rows.size());
  for (std::int64_t step = 0;; ++step) {
    while (working > 0 && task.lengths[static_cast<std::size_t>(working - 1)] <= step) --working;
    if (working == 0) return;
    task.starts.push_back(task.starts.back() + working);
  }
}

}  // namespace

std::vector<StepTask> deal_steps(const std::vector<std::int64_t>& lengths) {
  std::vector<std::int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  const auto longer = [&](std::int64_t a, std::int64_t b) {
    return lengths[static_cast<std::size_t>(a)] > lengths[static_cast<std::size_t>(b)];
  };
  std::stable_sort(order.begin(), order.end(), longer);
  const auto rows = static_cast<std::int64_t>(lengths.size());
  std::vector<StepTask> tasks(static_cast<std::size_t>((rows + rows_a_task - 1) / rows_a_task));
  for (std::size_t i = 0; i < order.size(); ++i) tasks[i % tasks.size()].rows.push_back(order[i]);
  std::int64_t first = 0;
  for (StepTask& task : tasks) {
    number_steps(task, lengths, first);
    first = task.starts.back();
  }
  return tasks;
}

}  // namespace attune
