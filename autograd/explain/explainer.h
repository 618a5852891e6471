#pragma once
// Makes an Explanation from the graph behind a tensor.

#include <unordered_map>

#include "autograd/engine.h"
#include "autograd/explain/checks.h"
#include "autograd/explain/recording.h"

namespace attune {

class Explainer {
 public:
  // `notes` is what was noted while the graph was recorded; null if nothing was.
  Explainer(const Tensor& output, const ExplainOptions& options, const Recording::Notes* notes);
  // The notes of the recording that is alive on this thread; null if none is.
  static const Recording::Notes* current_notes();

  void add_checks(const Checks& checks, const std::string& problem);
  Explanation explanation() && { return std::move(result_); }

 private:
  class Tracer;

  void collect();
  void describe(const Node& node);
  void describe_inputs(const Node& node, Explanation::Node& described) const;
  void describe_saved();
  void know_value(const Node& node, std::uint32_t output, const Tensor& value);
  void know_leaves();
  void place_leaves();
  void run_backward();
  std::size_t place_of(const Node* node) const;
  std::size_t formula_of(const Node& node);

  Tensor output_;
  const ExplainOptions& options_;
  const Recording::Notes* notes_;
  std::vector<Ref<Node>> nodes_;  // the oldest first
  std::unordered_map<const Node*, std::size_t> places_;
  std::unordered_map<std::uint64_t, std::size_t> by_number_;
  std::map<std::tuple<std::string_view, std::uint32_t, std::uint32_t, std::string_view>,
           std::size_t>
      formulas_;
  std::vector<Ref<Storage>> leaf_elements_;
  Explanation result_;
};

}  // namespace attune
