#include "autograd/kernels/steps.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "autograd/kernels/rounding.h"

namespace attune {
namespace {

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

std::vector<StepTask> deal_steps(const std::vector<std::int64_t>& lengths, const Dealing& dealing) {
  std::vector<std::int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  const auto longer = [&](std::int64_t a, std::int64_t b) {
    return lengths[static_cast<std::size_t>(a)] > lengths[static_cast<std::size_t>(b)];
  };
  const bool equal =
      std::adjacent_find(lengths.begin(), lengths.end(), std::not_equal_to<>()) == lengths.end();
  if (!equal) std::stable_sort(order.begin(), order.end(), longer);
  const auto rows = static_cast<std::int64_t>(lengths.size());
  const std::int64_t parts = divide_up(rows, dealing.rows_a_part);
  // Tasks of several parts, and how many parts they take.
  const std::int64_t whole = std::max<std::int64_t>(0, parts / dealing.parts_a_task - 1);
  const std::int64_t taken = whole * dealing.parts_a_task;
  std::vector<StepTask> tasks(static_cast<std::size_t>(whole + parts - taken));
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t part = equal ? i * parts / rows : i % parts;
    const std::int64_t task = part < taken ? part / dealing.parts_a_task : whole + part - taken;
    tasks[static_cast<std::size_t>(task)].rows.push_back(order[static_cast<std::size_t>(i)]);
  }
  std::int64_t first = 0;
  for (StepTask& task : tasks) {
    number_steps(task, lengths, first);
    first = task.starts.back();
  }
  return tasks;
}

}  // namespace attune
