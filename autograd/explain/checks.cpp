#include "autograd/explain/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "autograd/engine.h"
#include "autograd/explain/recording.h"
#include "autograd/op.h"
#include "autograd/random.h"

namespace attune {
namespace {

// Inputs are moved by so many steps to either side. Where what comes of these differs, it shows how
// much of it is rounding or a kink.
constexpr std::array step_counts{1.0, 2.0, 4.0};

// Some of the inputs of an op: those that lie in the same memory.
struct Slot {
  std::vector<std::size_t> inputs;
  double step = 0;      // by which the direction is multiplied
  double analytic = 0;  // the derivative along the direction
  double size = 0;      // of the terms that add up to it
  double noise = 0;     // of the difference quotient, from rounding
  std::array<double, step_counts.size()> differences{};  // of the outputs, by step_counts
  std::array<double, step_counts.size()> bends{};        // up and down against the middle
  bool checked = true;
};

// An op of the run that the others are held against.
struct Op {
  Ref<Node> node;
  std::vector<Tensor> inputs;
  std::vector<Tensor> values;
  std::vector<Slot> slots;
};

// Random numbers with mean 0 and deviation 1 (uniform), the same for the same key.
Tensor drawn(const Shape& shape, DType dtype, std::uint64_t key) {
  Tensor result = empty(shape, dtype);
  Generator generator(key);
  dispatch_floating(dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      result.raw<T>()[i] = static_cast<T>((generator.uniform() - 0.5) * std::sqrt(12));
    }
  });
  return result;
}

std::uint64_t key_of(std::size_t op, std::size_t part) {
  return (static_cast<std::uint64_t>(op) << 16) + part;
}

// Masks stand for infinity; beside them no change of other elements can be seen.
bool is_masked(double x) {
  return !(std::abs(x) < 1e8);
}

// By what the elements of an output are multiplied before they are added up.
Tensor weight_of(const Op& op, std::size_t place, std::size_t output) {
  const Tensor weight =
      drawn(op.values[output].shape(), op.values[output].dtype(), key_of(place, output));
  const std::vector<double> values = op.values[output].to_vector<double>();
  dispatch_floating(weight.dtype(), [&]<class T>(T) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (is_masked(values[i])) weight.raw<T>()[i] = 0;
    }
  });
  return weight;
}

// A direction for all elements of the memory that a tensor lies in.
Tensor direction_in(const Tensor& tensor, std::size_t place, std::size_t slot) {
  const std::size_t elements = tensor.handle()->storage->bytes() / item_size(tensor.dtype());
  return drawn({static_cast<std::int64_t>(elements)}, tensor.dtype(),
               key_of(place, slot) | std::uint64_t{1} << 63);
}

// The products of two tensors' elements, but for those that a weight of 0 leaves out.
std::vector<double> products(const Tensor& a, const Tensor& b) {
  std::vector<double> result = a.to_vector<double>();
  const std::vector<double> factors = b.to_vector<double>();
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = factors[i] == 0 ? 0 : result[i] * factors[i];
  }
  return result;
}

double product(const Tensor& a, const Tensor& b) {
  double total = 0;
  for (const double x : products(a, b)) total += x;
  return total;
}

double norm_of_product(const Tensor& a, const Tensor& b) {
  double total = 0;
  for (const double x : products(a, b)) total += x * x;
  return std::sqrt(total);
}

// How exactly an op can be checked depends on the coarser of what it reads and makes.
bool has_float32(const Op& op) {
  const auto is_float32 = [](const Tensor& tensor) { return tensor.dtype() == DType::float32; };
  return std::any_of(op.inputs.begin(), op.inputs.end(), is_float32) ||
         std::any_of(op.values.begin(), op.values.end(), is_float32);
}

double typical_size(const Tensor& tensor) {
  double sum_of_squares = 0;
  double count = 0;
  for (const double x : tensor.detach().to_vector<double>()) {
    if (is_masked(x)) continue;
    sum_of_squares += x * x;
    ++count;
  }
  return sum_of_squares > 0 ? std::sqrt(sum_of_squares / count) : 1;
}

// Rounding asks for large steps, and kinks, which float32 values often lie near, for small ones.
double step_for(const Tensor& tensor, bool float32) {
  return (float32 ? 1e-3 : 1e-6) * typical_size(tensor);
}

std::vector<Slot> slots_of(const std::vector<Tensor>& inputs) {
  std::map<const Storage*, Slot> slots;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Slot& slot = slots[inputs[i].handle()->storage.get()];
    // Moving a constant too would change what the rules know nothing of.
    if (!inputs[i].requires_grad()) slot.checked = false;
    slot.inputs.push_back(i);
  }
  std::vector<Slot> result;
  for (auto& [storage, slot] : slots) {
    if (slot.checked) result.push_back(std::move(slot));
  }
  std::sort(result.begin(), result.end(),
            [](const Slot& a, const Slot& b) { return a.inputs < b.inputs; });
  return result;
}

// The gradients that the rules of one node give its inputs, each edge once.
std::vector<std::pair<Edge, Tensor>> run_rules(const Op& op, std::size_t place) {
  std::vector<Edge> edges;
  for (const Tensor& input : op.inputs) {
    const Edge edge = edge_to(input);
    if (edge.node && std::find(edges.begin(), edges.end(), edge) == edges.end()) {
      edges.push_back(edge);
    }
  }
  BackwardPass pass({.retain_graph = true});
  std::vector<Tensor> weights;
  std::vector<Tensor> outputs;
  for (std::size_t k = 0; k < op.values.size(); ++k) {
    weights.push_back(weight_of(op, place, k));
    outputs.push_back(attach(weights[k].alias(), op.node, static_cast<std::uint32_t>(k)));
  }
  pass.restrict_to(outputs, edges, op.node->number());
  for (std::size_t k = 0; k < outputs.size(); ++k) pass.give(edge_to(outputs[k]), weights[k]);
  pass.run();
  std::vector<std::pair<Edge, Tensor>> found;
  for (std::size_t i = 0; i < edges.size(); ++i) found.emplace_back(edges[i], pass.captured(i));
  return found;
}

void find_analytic(Op& op, std::size_t place) {
  const NoGrad no_grad;
  const auto gradients = run_rules(op, place);
  double size_of_value = 0;
  for (std::size_t k = 0; k < op.values.size(); ++k) {
    size_of_value =
        std::hypot(size_of_value, norm_of_product(op.values[k], weight_of(op, place, k)));
  }
  for (std::size_t s = 0; s < op.slots.size(); ++s) {
    Slot& slot = op.slots[s];
    const Tensor& first = op.inputs[slot.inputs[0]];
    const Tensor direction = direction_in(first, place, s);
    slot.step = step_for(first, has_float32(op));
    const double epsilon = has_float32(op) ? 0x1p-23 : 0x1p-52;
    slot.noise = 8 * epsilon * size_of_value / slot.step;
    std::vector<Edge> added;
    for (const std::size_t i : slot.inputs) {
      const Tensor& input = op.inputs[i];
      const Edge edge = edge_to(input);
      if (std::find(added.begin(), added.end(), edge) != added.end()) continue;
      added.push_back(edge);
      const auto gradient = std::find_if(gradients.begin(), gradients.end(),
                                         [&](const auto& g) { return g.first == edge; });
      if (!gradient->second.defined()) continue;
      const Tensor along = view(direction, input.shape(), input.strides(), input.body().offset);
      slot.analytic += product(gradient->second, along);
      slot.size = std::hypot(slot.size, norm_of_product(gradient->second, along));
    }
  }
}

// The run that the others are held against.
class Run final : public OpObserver {
 public:
  Run() : outer_(std::exchange(OpObserver::current, this)) {}
  ~Run() override { OpObserver::current = outer_; }

  void recorded(Node& node, std::span<const Operand> inputs,
                std::span<const Tensor> values) override {
    Op op{Ref<Node>::share(&node), {}, {}, {}};
    for (const Operand& input : inputs) op.inputs.push_back(*input);
    for (const Tensor& value : values) op.values.push_back(value.alias());
    op.slots = slots_of(op.inputs);
    ops.push_back(std::move(op));
  }

  std::vector<Op> ops;

 private:
  OpObserver* outer_;
};

// Whether an op of another run is that of the first: nothing that was measured there may be applied
// to memory of another size.
bool is_again(const Op& op, const Node& node, std::span<const Operand> inputs,
              std::span<const Tensor> values) {
  const auto alike = [](const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && a.dtype() == b.dtype() &&
           a.handle()->storage->bytes() == b.handle()->storage->bytes();
  };
  return node.name() == std::string_view(op.node->name()) &&
         std::equal(values.begin(), values.end(), op.values.begin(), op.values.end(), alike) &&
         std::equal(inputs.begin(), inputs.end(), op.inputs.begin(), op.inputs.end(), alike);
}

// A run in which slot number `slot` of every op is moved by so many of its steps, up or down.
class MovedRun final : public OpObserver {
 public:
  MovedRun(std::vector<Op>& ops, std::size_t slot, std::size_t count, double sign)
      : ops_(ops),
        slot_(slot),
        count_(count),
        sign_(sign),
        outer_(std::exchange(OpObserver::current, this)) {
    for (std::size_t i = 0; i < ops.size(); ++i) {
      for (std::size_t k = 0; k < ops[i].values.size(); ++k) {
        made_by_[{ops[i].node.get(), static_cast<std::uint32_t>(k)}] = {i, k};
      }
    }
    move_next();
  }
  ~MovedRun() override {
    put_back();
    OpObserver::current = outer_;
  }

  void recorded(Node& node, std::span<const Operand> inputs,
                std::span<const Tensor> values) override {
    if (next_ >= ops_.size() || !is_again(ops_[next_], node, inputs, values)) {
      same_ = false;
      put_back();
      return;
    }
    {
      const Unobserved looking;
      compare(ops_[next_], inputs, values);
    }
    ++next_;
    move_next();
  }

  // Whether the ops were those of the first run.
  bool same() const { return same_ && next_ == ops_.size(); }

 private:
  Slot* slot() {
    const bool moves = same_ && next_ < ops_.size() && slot_ < ops_[next_].slots.size();
    return moves ? &ops_[next_].slots[slot_] : nullptr;
  }

  // The tensor of this run that stands for one of the first.
  Tensor now(const Tensor& first) const {
    const Edge edge = edge_to(first);
    const auto found = made_by_.find({edge.node.get(), edge.output});
    if (found == made_by_.end() || found->second.first >= values_.size()) return first;
    return values_[found->second.first][found->second.second];
  }

  void move_next() {
    Slot* const moving = slot();
    if (moving == nullptr) return;
    const Tensor& first = ops_[next_].inputs[moving->inputs[0]];
    moved_ = now(first).handle()->storage;
    const Tensor direction = direction_in(first, next_, slot_);
    const double distance = sign_ * step_counts[count_] * moving->step;
    before_.assign(moved_->data(), moved_->data() + moved_->bytes());
    dispatch_floating(first.dtype(), [&]<class T>(T) {
      T* const elements = reinterpret_cast<T*>(moved_->data());
      for (std::int64_t i = 0; i < direction.numel(); ++i) {
        elements[i] += static_cast<T>(distance) * direction.raw<T>()[i];
      }
    });
    moved_->moved();
  }

  void put_back() {
    if (!moved_) return;
    std::copy(before_.begin(), before_.end(), moved_->data());
    moved_->moved();
    moved_ = nullptr;
  }

  void compare(const Op& op, std::span<const Operand> inputs, std::span<const Tensor> values) {
    const NoGrad no_grad;
    Slot* const moving = slot();
    if (moving != nullptr) {
      for (const std::size_t i : moving->inputs) {
        // A leaf that each call makes anew was not there to be moved.
        if (inputs[i]->handle()->storage != moved_) moving->checked = false;
      }
      for (std::size_t k = 0; k < values.size(); ++k) {
        const Tensor weight = weight_of(op, next_, k);
        const double moved = product(values[k], weight);
        moving->differences[count_] += sign_ * moved;
        moving->bends[count_] += moved - product(op.values[k], weight);
      }
    }
    put_back();
    // What follows is to see the values of the first run. Those that are views of the inputs have
    // just been put back.
    for (std::size_t k = 0; k < values.size(); ++k) {
      Storage& elements = *values[k].handle()->storage;
      const auto shared = [&](const Operand& in) {
        return in->handle()->storage.get() == &elements;
      };
      if (std::any_of(inputs.begin(), inputs.end(), shared)) continue;
      std::copy_n(op.values[k].handle()->storage->data(), elements.bytes(), elements.data());
    }
    values_.emplace_back(values.begin(), values.end());
  }

  std::vector<Op>& ops_;
  std::size_t slot_;
  std::size_t count_;
  double sign_;
  OpObserver* outer_;
  std::map<std::pair<const Node*, std::uint32_t>, std::pair<std::size_t, std::size_t>> made_by_;
  std::vector<std::vector<Tensor>> values_;
  Ref<Storage> moved_;
  std::vector<std::byte> before_;
  std::size_t next_ = 0;
  bool same_ = true;
};

Explanation::Check check_of(const Op& op, const Slot& slot) {
  Explanation::Check check;
  for (const std::size_t i : slot.inputs) {
    check.of += fmt::format("{}input {}", check.of.empty() ? "" : " and ", i);
  }
  std::array<double, step_counts.size()> quotients;
  for (std::size_t k = 0; k < quotients.size(); ++k) {
    quotients[k] = slot.differences[k] / (2 * step_counts[k] * slot.step);
  }
  const auto [least, most] = std::minmax_element(quotients.begin(), quotients.end());
  check.analytic = slot.analytic;
  check.numeric = quotients.back();
  const double relative = has_float32(op) ? 3e-2 : 1e-5;
  // Across a kink the slopes to either side differ, and the rules may give either.
  const double bend = std::abs(slot.bends.back()) / (step_counts.back() * slot.step);
  check.tolerance = relative * std::max(slot.size, std::abs(check.numeric)) + slot.noise +
                    3 * (*most - *least) + bend;
  return check;
}

}  // namespace

Checks check_ops(const std::function<void()>& make, std::string& problem) {
  std::vector<Op> ops;
  {
    Run run;
    make();
    ops = std::move(run.ops);
  }
  std::size_t slots = 0;
  try {
    for (std::size_t i = 0; i < ops.size(); ++i) {
      find_analytic(ops[i], i);
      slots = std::max(slots, ops[i].slots.size());
    }
  } catch (const Error& error) {
    problem = fmt::format("The derivatives could not be checked. {}", error.what());
    return {};
  }
  for (std::size_t i = 0; i < slots * step_counts.size(); ++i) {
    for (const double sign : {1.0, -1.0}) {
      MovedRun run(ops, i / step_counts.size(), i % step_counts.size(), sign);
      make();
      if (run.same()) continue;
      problem =
          "The derivatives could not be checked: the function does other things when it is called "
          "again.";
      return {};
    }
  }
  Checks checks(ops.size());
  for (std::size_t i = 0; i < ops.size(); ++i) {
    for (const Slot& slot : ops[i].slots) {
      if (slot.checked) checks[i].push_back(check_of(ops[i], slot));
    }
  }
  return checks;
}

}  // namespace attune
