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

std::vector<StepTask> deal_steps(const std::vector<std::int64_t>& lengths,
                                 std::int64_t rows_a_task) {
  std::vector<std::int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  const auto longer = [&](std::int64_t a, std::int64_t b) {
    return lengths[static_cast<std::size_t>(a)] > lengths[static_cast<std::size_t>(b)];
  };
  const bool equal =
      std::adjacent_find(lengths.begin(), lengths.end(), std::not_equal_to<>()) == lengths.end();
  if (!equal) std::stable_sort(order.begin(), order.end(), longer);
  const auto rows = static_cast<std::int64_t>(lengths.size());
  const auto count = static_cast<std::size_t>(divide_up(rows, rows_a_task));
  std::vector<StepTask> tasks(count);
  for (std::size_t i = 0; i < order.size(); ++i) {
    tasks[equal ? i * count / order.size() : i % count].rows.push_back(order[i]);
  }
  std::int64_t first = 0;
  for (StepTask& task : tasks) {
    number_steps(task, lengths, first);
    first = task.starts.back();
  }
  return tasks;
}

}  // namespace attune
