#include "autograd/explain/recording.h"

namespace attune {

std::string shown_elements(const Tensor& tensor) {
  constexpr std::int64_t most = 64;
  return tensor.numel() <= most ? to_string(tensor.detach()) : "";
}

void Recording::Notes::recorded(Node& node, std::span<const Operand> inputs,
                                std::span<const Tensor> values) {
  Note note;
  note.seconds = watch_.pause();
  {
    const Unobserved looking;
    for (const Operand& input : inputs) {
      const Edge edge = edge_to(input);
      const std::uint64_t number = edge.node ? edge.node->number() : 0;
      note.inputs.push_back({number, edge.output, input->shape(), input->dtype()});
      if (edge.node && edge.node->edges().empty()) leaves_.try_emplace(number, *input);
    }
    for (const Tensor& value : values) {
      note.values.push_back({statistics_of(value), shown_elements(value)});
    }
  }
  notes_.emplace(node.number(), std::move(note));
  order_.push_back(node.number());
  watch_.resume();
}

const Recording::Notes::Note* Recording::Notes::of(const Node& node) const {
  const auto found = notes_.find(node.number());
  return found == notes_.end() ? nullptr : &found->second;
}

Recording::Recording() : notes_(std::make_unique<Notes>()) {}
Recording::~Recording() = default;

}  // namespace attune
