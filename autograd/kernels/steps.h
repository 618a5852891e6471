#pragma once
// The real steps of a batch of sequences of different lengths, in the order in which recurrent
// kernels run through them, so that none spends time on padding.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "autograd/kernels/parallel.h"

namespace attune {

// Some rows of the batch, which one thread runs through all their steps: no step waits for another
// thread. Longest first, so that the rows that are still at work come before those that have
// ended. Steps are numbered through the whole batch: task after task, step after step, row after
// row.
struct StepTask {
  std::vector<std::int64_t> rows;     // of the batch
  std::vector<std::int64_t> lengths;  // of each row, falling
  std::vector<std::int64_t> starts;  // the number of each step's first row, and the end of the last

  std::int64_t time() const { return static_cast<std::int64_t>(starts.size()) - 1; }
  std::int64_t start(std::int64_t step) const { return starts[static_cast<std::size_t>(step)]; }
  // The rows that are at work at a step.
  std::int64_t count(std::int64_t step) const { return start(step + 1) - start(step); }
  // The number of the last step of rows[i], which has one.
  std::int64_t last(std::size_t i) const {
    return start(lengths[i] - 1) + static_cast<std::int64_t>(i);
  }
};

// How rows are dealt out: into parts of about equal work, of at most so many rows each, several of
// which are one task.
struct Dealing {
  std::int64_t rows_a_part;
  std::int64_t parts_a_task = 1;
};

// The tasks of rows of these lengths, one a row. The last parts are tasks of their own, for a
// thread that is done before the others. Rows of one length stay in their order.
std::vector<StepTask> deal_steps(const std::vector<std::int64_t>& lengths, const Dealing& dealing);

// Calls f(task) for each, on all threads.
template <class F>
void each_task(const std::vector<StepTask>& tasks, const F& f) {
  parallel_for(static_cast<std::int64_t>(tasks.size()), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) f(tasks[static_cast<std::size_t>(i)]);
               });
}

// The task's rows of x [batch, size], in its order; zeros if x is null.
template <class T>
std::unique_ptr<T[]> rows_of(const StepTask& task, const T* x, std::int64_t size) {
  auto result = std::make_unique<T[]>(task.rows.size() * static_cast<std::size_t>(size));
  for (std::size_t i = 0; x && i < task.rows.size(); ++i) {
    std::copy_n(x + task.rows[i] * size, size, result.get() + static_cast<std::int64_t>(i) * size);
  }
  return result;
}

// The other way: the rows, in the task's order, to their places in x [batch, size].
template <class T>
void give_rows(const StepTask& task, const T* rows, T* x, std::int64_t size) {
  for (std::size_t i = 0; i < task.rows.size(); ++i) {
    std::copy_n(rows + static_cast<std::int64_t>(i) * size, size, x + task.rows[i] * size);
  }
}

// Sets the task's rows of last [batch, size] to what their last steps left in output [steps, size],
// or to their initial rows where there was no step.
template <class T>
void give_last(const StepTask& task, const T* initial, const T* output, T* last,
               std::int64_t size) {
  for (std::size_t i = 0; i < task.rows.size(); ++i) {
    const T* const from = task.lengths[i] > 0 ? output + task.last(i) * size
                                              : initial + static_cast<std::int64_t>(i) * size;
    std::copy_n(from, size, last + task.rows[i] * size);
  }
}

}  // namespace attune
