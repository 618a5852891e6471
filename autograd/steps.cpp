#include "autograd/steps.h"

#include <fmt/format.h>

#include <algorithm>

#include "autograd/kernels/parallel.h"
#include "autograd/op.h"
#include "autograd/ops.h"

namespace attune {
namespace {

std::vector<std::int64_t> checked_lengths(std::int64_t batch, std::int64_t time,
                                          const Tensor& lengths, const Site& site) {
  if (!lengths.defined()) return std::vector(static_cast<std::size_t>(batch), time);
  if (lengths.dtype() != DType::int64 || lengths.shape() != Shape{batch}) {
    misuse("steps", site,
           fmt::format("the lengths are {} {}, and must be int64 [{}]", name(lengths.dtype()),
                       to_string(lengths.shape()), batch));
  }
  std::vector<std::int64_t> values = lengths.to_vector<std::int64_t>();
  for (const std::int64_t length : values) {
    if (length >= 0 && length <= time) continue;
    misuse("steps", site,
           fmt::format("the length {} does not lie within 0 and the {} steps of the batch", length,
                       time));
  }
  return values;
}

// Up to this size a state's weights stay in the second cache from one step of a recurrence to the
// next.
constexpr std::int64_t largest_small_state = 128;

// The rows that a thread runs through a whole recurrence. Fewer would read weights that do not stay
// in the cache too often for the work they do with them.
Dealing dealing_of(StepOrder order, std::int64_t state) {
  if (order == StepOrder::by_row) return {1};
  return state <= largest_small_state ? Dealing{8, 2} : Dealing{32};
}

std::vector<std::int64_t> places_of(const std::vector<StepTask>& tasks, std::int64_t time,
                                    bool reverse) {
  std::vector<std::int64_t> places;
  for (const StepTask& task : tasks) {
    for (std::int64_t step = 0; step < task.time(); ++step) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(task.count(step)); ++i) {
        places.push_back(task.rows[i] * time + (reverse ? task.lengths[i] - 1 - step : step));
      }
    }
  }
  return places;
}

// A few threads' worth of copying.
constexpr std::int64_t rows_a_chunk = 128;

// Copies `count` slabs of so many bytes, the i-th from from(i) to to(i).
template <class To, class From>
void copy_slabs(std::int64_t count, std::int64_t slab, const To& to, const From& from) {
  parallel_for(count, rows_a_chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) std::copy_n(from(i), slab, to(i));
  });
}

// Sets the slabs of x [batch, time, ..] that are padding to zero.
void clear_padding(const Steps& steps, std::int64_t slab, std::byte* x) {
  each_task(steps.tasks(), [&](const StepTask& task) {
    for (std::size_t i = 0; i < task.rows.size(); ++i) {
      const std::int64_t length = task.lengths[i];
      std::fill_n(x + (task.rows[i] * steps.time() + length) * slab, (steps.time() - length) * slab,
                  std::byte{0});
    }
  });
}

// `shape` with other dimensions in place of its first `dropped`.
Shape with_leading(const Shape& shape, std::size_t dropped, Shape leading) {
  for (std::size_t d = dropped; d < shape.size(); ++d) leading.push_back(shape[d]);
  return leading;
}

// x, or a copy, with the elements of every step side by side; its first dimensions count the steps.
Tensor with_whole_steps(const Tensor& x, std::size_t leading) {
  const bool whole =
      is_contiguous(with_leading(x.shape(), leading, {}), with_leading(x.strides(), leading, {}));
  return whole ? x.detach() : x.detach().contiguous();
}

std::int64_t bytes_a_step(const Shape& shape, std::size_t leading, DType dtype) {
  return numel(with_leading(shape, leading, {})) * static_cast<std::int64_t>(item_size(dtype));
}

// Of each of the steps of `to`, the number of its row in a packing in the order of `from`. Error if
// they do not hold the same steps.
std::vector<std::int64_t> rows_in(const Steps& from, const Steps& to, Site site) {
  const auto fits = [](std::int64_t row) { return row >= 0; };
  if (from.batch() == to.batch() && from.time() == to.time() && from.count() == to.count()) {
    std::vector<std::int64_t> row_at(static_cast<std::size_t>(from.batch() * from.time()), -1);
    std::int64_t row = 0;
    for (const std::int64_t place : from.places()) row_at[static_cast<std::size_t>(place)] = row++;
    std::vector<std::int64_t> rows;
    rows.reserve(to.places().size());
    for (const std::int64_t place : to.places()) {
      rows.push_back(row_at[static_cast<std::size_t>(place)]);
    }
    if (std::all_of(rows.begin(), rows.end(), fits)) return rows;
  }
  misuse("join", site,
         fmt::format("a packing of {} steps of a batch {} and the order of {} steps of a batch {} "
                     "do not hold the same steps",
                     from.count(), to_string(Shape{from.batch(), from.time()}), to.count(),
                     to_string(Shape{to.batch(), to.time()})),
         "Make all Steps of the same lengths.");
}

// Sets the columns from `start` on of `joined` to the rows of a part.
void put_columns(const Packed& part, const Steps& steps, std::int64_t start, const Tensor& joined,
                 Site site) {
  const Tensor& given = part.rows;
  if (given.rank() != 2 || given.size(0) != part.steps.count()) {
    misuse("join", site,
           fmt::format("a packing {} does not hold the {} real steps of its batch",
                       to_string(given.shape()), part.steps.count()),
           "Make it [steps, features].");
  }
  const Tensor from = with_whole_steps(given, 1);
  const std::vector<std::int64_t> row_of = rows_in(part.steps, steps, site);
  const auto item = static_cast<std::int64_t>(item_size(given.dtype()));
  copy_slabs(
      steps.count(), from.size(1) * item,
      [&](std::int64_t i) { return joined.bytes() + (i * joined.size(1) + start) * item; },
      [&](std::int64_t i) {
        return from.bytes() + row_of[static_cast<std::size_t>(i)] * from.strides()[0] * item;
      });
}

}  // namespace

Steps::Steps(std::int64_t batch, std::int64_t time, const Tensor& lengths, StepOrder order,
             std::int64_t state, Site site) {
  std::vector<StepTask> tasks =
      deal_steps(checked_lengths(batch, time, lengths, site), dealing_of(order, state));
  std::vector<std::int64_t> places = places_of(tasks, time, order == StepOrder::reverse);
  const bool whole = static_cast<std::int64_t>(places.size()) == batch * time;
  const bool as_they_lie = whole && std::is_sorted(places.begin(), places.end());
  plan_ = std::make_shared<const Plan>(
      Plan{batch, time, order, lengths, std::move(tasks), std::move(places), as_they_lie});
}

Tensor pack(Operand x, const Steps& steps) {
  if (x->rank() < 2 || x->size(0) != steps.batch() || x->size(1) != steps.time()) {
    misuse("pack", x.site(),
           fmt::format("a tensor {} is not a batch of {} rows and {} steps", to_string(x->shape()),
                       steps.batch(), steps.time()),
           "Make it [batch, time, ..], as the steps are.");
  }
  if (steps.as_they_lie()) {
    return reshape(x, with_leading(x->shape(), 2, {steps.count()}));
  }
  const Tensor from = with_whole_steps(*x, 2);
  Tensor rows = empty(with_leading(x->shape(), 2, {steps.count()}), x->dtype());
  const std::int64_t slab = bytes_a_step(x->shape(), 2, x->dtype());
  const auto item = static_cast<std::int64_t>(item_size(x->dtype()));
  const std::int64_t row = from.strides()[0] * item, step = from.strides()[1] * item;
  copy_slabs(
      steps.count(), slab, [&](std::int64_t i) { return rows.bytes() + i * slab; },
      [&, at = steps.places().data()](std::int64_t i) {
        return from.bytes() + at[i] / steps.time() * row + at[i] % steps.time() * step;
      });
  return apply("pack", {x}, std::move(rows),
               wrt(x, [steps](const Tensor& g) { return unpack(g, steps); }));
}

Tensor unpack(Operand rows, const Steps& steps) {
  if (rows->rank() < 1 || rows->size(0) != steps.count()) {
    misuse("unpack", rows.site(),
           fmt::format("a tensor {} does not hold the {} real steps of its batch",
                       to_string(rows->shape()), steps.count()),
           "Make it [steps, ..], as pack() does.");
  }
  const Shape shape = with_leading(rows->shape(), 1, {steps.batch(), steps.time()});
  if (steps.as_they_lie()) return reshape(rows, shape);
  const Tensor from = rows->detach().contiguous();
  const std::int64_t slab = bytes_a_step(rows->shape(), 1, rows->dtype());
  Tensor x = empty(shape, rows->dtype());
  clear_padding(steps, slab, x.bytes());
  copy_slabs(
      steps.count(), slab,
      [&, at = steps.places().data()](std::int64_t i) { return x.bytes() + at[i] * slab; },
      [&](std::int64_t i) { return from.bytes() + i * slab; });
  return apply("unpack", {rows}, std::move(x),
               wrt(rows, [steps](const Tensor& g) { return pack(g, steps); }));
}

Packed pack_by_row(Operand x, const Tensor& lengths) {
  const Steps steps(x->size(0), x->size(1), lengths, StepOrder::by_row, 0, x.site());
  return {pack(x, steps), steps};
}

Tensor unpack(const Packed& packed, Site site) {
  return unpack({packed.rows, site}, packed.steps);
}

Tensor join(const std::vector<Packed>& parts, const Steps& steps, Site site) {
  if (parts.empty()) misuse("join", site, "there is nothing to join");
  std::vector<std::int64_t> starts{0};
  std::vector<Steps> orders;
  std::vector<Operand> rows;
  for (const Packed& part : parts) {
    starts.push_back(starts.back() + part.rows.size(-1));
    orders.push_back(part.steps);
    rows.emplace_back(part.rows, site);
    detail::check_same_dtype("join", rows[0], rows.back());
  }
  Tensor joined = empty({steps.count(), starts.back()}, parts[0].rows.dtype());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    put_columns(parts[i], steps, starts[i], joined, site);
  }
  const auto rule = [starts, orders, steps](std::span<const Tensor> g, const Needs& needs) {
    std::vector<Tensor> gradients(needs.size());
    for (std::size_t i = 0; i < needs.size(); ++i) {
      if (!needs[i]) continue;
      gradients[i] = join({{slice(g[0], 1, starts[i], starts[i + 1]), steps}}, orders[i]);
    }
    return gradients;
  };
  return apply("join", rows, std::move(joined), jointly(rule));
}

}  // namespace attune
