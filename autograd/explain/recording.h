#pragma once
// What a Recording notes of every op.

#include <chrono>
#include <map>
#include <unordered_map>

#include "autograd/explain.h"
#include "autograd/node.h"

namespace attune {

// Runs, except while it is paused.
class Stopwatch {
 public:
  double pause() {
    seconds_ += std::chrono::duration<double>(Clock::now() - resumed_).count();
    return std::exchange(seconds_, 0);
  }
  void resume() { resumed_ = Clock::now(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point resumed_ = Clock::now();
  double seconds_ = 0;
};

// The elements as text, if they are few; else empty.
std::string shown_elements(const Tensor& tensor);

class Recording::Notes final : public OpObserver {
 public:
  struct Input {
    std::uint64_t node;  // the number of the node that made it; 0 for a constant
    std::uint32_t output;
    Shape shape;
    DType dtype;
  };
  struct Value {
    Statistics statistics;
    std::string elements;
  };
  struct Note {
    double seconds = 0;
    std::vector<Input> inputs;
    std::vector<Value> values;
  };

  Notes() : outer_(std::exchange(OpObserver::current, this)) {}
  ~Notes() override { OpObserver::current = outer_; }

  void recorded(Node& node, std::span<const Operand> inputs,
                std::span<const Tensor> values) override;

  // What was noted of the node of that number; null if nothing was.
  const Note* of(const Node& node) const;
  // The numbers of all nodes noted, in the order in which they were.
  const std::vector<std::uint64_t>& order() const { return order_; }
  // Leaves that ops have read, by the numbers of their nodes.
  const std::map<std::uint64_t, Tensor>& leaves() const { return leaves_; }

 private:
  OpObserver* outer_;
  Stopwatch watch_;
  std::unordered_map<std::uint64_t, Note> notes_;
  std::vector<std::uint64_t> order_;
  std::map<std::uint64_t, Tensor> leaves_;
};

// Lets nobody observe ops for as long as it lives.
class Unobserved {
 public:
  Unobserved() : before_(std::exchange(OpObserver::current, nullptr)) {}
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;
  ~Unobserved() { OpObserver::current = before_; }

 private:
  OpObserver* before_;
};

}  // namespace attune
