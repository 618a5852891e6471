#pragma once
// Sequences without their padding. A batch [batch, time, ..] whose rows end at different times is
// packed into the rows of its real steps [steps, ..], in the order in which the fused recurrent ops
// run through them; what works on each step alone, such as a linear layer, then does nothing in
// vain.

#include <memory>
#include <vector>

#include "autograd/kernels/steps.h"
#include "autograd/tensor.h"

namespace attune {

// How real steps follow each other when they are packed. A recurrent op takes the first steps of
// many rows, then their second ones, and so on, or begins with their last ones; attention takes one
// row after the other.
enum class StepOrder { forward, reverse, by_row };

class Steps {
 public:
  // The steps of rows of these lengths: int64 [batch], each within 0 .. time, or undefined where
  // every step is real. Error for other lengths. The size of the state that a recurrence carries
  // from step to step, 0 where there is none, decides how many rows a thread takes, and nothing
  // else.
  Steps(std::int64_t batch, std::int64_t time, const Tensor& lengths = {},
        StepOrder order = StepOrder::forward, std::int64_t state = 0, Site site = Site::current());

  std::int64_t batch() const { return plan_->batch; }
  std::int64_t time() const { return plan_->time; }
  StepOrder order() const { return plan_->order; }
  const Tensor& lengths() const { return plan_->lengths; }  // as given
  // How many there are.
  std::int64_t count() const { return static_cast<std::int64_t>(plan_->places.size()); }
  // Of each step, its place row * time + t in the batch.
  const std::vector<std::int64_t>& places() const { return plan_->places; }
  // Whether that is the order of the batch, without padding.
  bool as_they_lie() const { return plan_->as_they_lie; }
  // With StepOrder::by_row, one a row.
  const std::vector<StepTask>& tasks() const { return plan_->tasks; }

 private:
  struct Plan {
    std::int64_t batch, time;
    StepOrder order;
    Tensor lengths;
    std::vector<StepTask> tasks;
    std::vector<std::int64_t> places;
    bool as_they_lie;
  };
  std::shared_ptr<const Plan> plan_;
};

// The real steps of x [batch, time, ..]: [steps, ..].
Tensor pack(Operand x, const Steps& steps);
// The batch [batch, time, ..] that rows [steps, ..] were packed from, with 0 for padding.
Tensor unpack(Operand rows, const Steps& steps);

// A batch without its padding: the rows [steps, ..] of its real steps, in their order.
struct Packed {
  Tensor rows;
  Steps steps;
};

// The real steps of x [batch, time, ..] by row, for lengths as Steps has them; and back.
Packed pack_by_row(Operand x, const Tensor& lengths);
Tensor unpack(const Packed& packed, Site site = Site::current());

// Packings of one batch side by side, in the order of `steps`: [steps, all their features]. Error
// if there is none, or if they do not hold the same steps of the same batch.
Tensor join(const std::vector<Packed>& parts, const Steps& steps, Site site = Site::current());

}  // namespace attune
