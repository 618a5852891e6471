#include "nn/seq2seq.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "autograd/fused/linear_cross_entropy.h"
#include "nn/recurrent.h"
#include "nn/transformer_seq2seq.h"

namespace attune::nn {
namespace {

constexpr std::array architectures{"gru", "lstm", "transformer"};
constexpr std::array moments{"before", "after"};

// The place of a name in a list, as a value of the enumeration it lists.
template <class Enum, class Names>
Enum by_name(const char* what, const Names& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw Error(
        fmt::format("'{}' is no {}. Choose one of {}.", name, what, fmt::join(names, ", ")));
  }
  return static_cast<Enum>(found - names.begin());
}

void require_positive(std::int64_t value, const char* what) {
  if (value < 1)
    throw Error(fmt::format("Seq2Seq: {} is {}, and must be at least 1.", what, value));
}

const Seq2SeqOptions& checked(const Seq2SeqOptions& options) {
  require_positive(options.source_vocabulary, "the source vocabulary");
  require_positive(options.target_vocabulary, "the target vocabulary");
  require_positive(options.embedding, "the embedding size");
  require_positive(options.hidden, "the hidden size");
  require_positive(options.attention_size, "the attention size");
  require_positive(options.layers, "the number of layers");
  require_positive(options.heads, "the number of heads");
  require_positive(options.feedforward, "the size of the feed-forward network");
  if (options.architecture == Architecture::transformer && !attends_by(options.attention)) {
    throw Error(
        "Seq2Seq: a transformer cannot do without attention. Choose a score, or a recurrent "
        "model.");
  }
  return options;
}

std::shared_ptr<EncoderDecoder> make_parts(const Seq2SeqOptions& options,
                                           std::shared_ptr<Score> score) {
  if (options.architecture == Architecture::transformer) {
    return std::make_shared<TransformerEncoderDecoder>(options);
  }
  return std::make_shared<RecurrentEncoderDecoder>(options, std::move(score));
}

// Of each row of ids [batch, time], how many there are before nothing but padding follows.
Tensor lengths_of(const Tensor& ids) {
  const std::int64_t time = ids.size(1);
  const std::vector<std::int64_t> all = ids.to_vector<std::int64_t>();
  std::vector<std::int64_t> lengths;
  for (std::int64_t row = 0; row < ids.size(0); ++row) {
    std::int64_t length = time;
    while (length > 0 && all[static_cast<std::size_t>(row * time + length - 1)] == padding_id) {
      --length;
    }
    lengths.push_back(length);
  }
  return from_vector(lengths, {ids.size(0)});
}

}  // namespace

Architecture architecture_by_name(std::string_view name) {
  return by_name<Architecture>("architecture", architectures, name);
}
std::string_view name_of(Architecture architecture) {
  return architectures[static_cast<std::size_t>(architecture)];
}
Attending attending_by_name(std::string_view name) {
  return by_name<Attending>("moment to attend", moments, name);
}
std::string_view name_of(Attending attending) {
  return moments[static_cast<std::size_t>(attending)];
}

Seq2Seq::Seq2Seq(const Seq2SeqOptions& options, std::shared_ptr<Score> score)
    : options_(checked(options)), parts_(child("", make_parts(options, std::move(score)))) {}

bool Seq2Seq::attends() const {
  return attends_by(options_.attention);
}

Seq2Seq::Encoded Seq2Seq::encode(const Tensor& source, const Tensor& lengths) const {
  const Scope in = scope();
  return parts_->encode(source, lengths);
}

Seq2Seq::Step Seq2Seq::step(const Tensor& previous, const State& state,
                            const Memory& memory) const {
  const Scope in = scope();
  return parts_->step(previous, state, memory);
}

Tensor Seq2Seq::logits(const Tensor& outputs) const {
  const Scope in = scope();
  return parts_->output_layer().forward(outputs);
}

Packed Seq2Seq::outputs(const Batch& batch, double sampling, const Tensor& lengths) const {
  if (sampling <= 0) return parts_->outputs(batch, lengths);
  const Tensor all =
      sampled_outputs(batch.target_in, encode(batch.source, batch.source_lengths), sampling);
  return pack_by_row(all, lengths);
}

Tensor Seq2Seq::forward(const Batch& batch, double sampling) const {
  const Scope in = scope();
  return parts_->output_layer().forward(unpack(outputs(batch, sampling)));
}

Tensor Seq2Seq::loss(const Batch& batch, double label_smoothing, double sampling) const {
  const Scope in = scope();
  const Linear& layer = parts_->output_layer();
  const auto [rows, steps] = outputs(batch, sampling, lengths_of(batch.target_out));
  return linear_cross_entropy(rows, layer.weight, layer.bias, pack(batch.target_out, steps),
                              padding_id, label_smoothing);
}

Tensor Seq2Seq::sampled_outputs(const Tensor& given, const Encoded& encoded,
                                double sampling) const {
  State state = encoded.state;
  std::vector<Tensor> outputs;
  for (const Tensor& right : unbind(given, 1)) {
    const Scope in("step", outputs.size());
    Tensor previous = right;
    if (!outputs.empty()) {
      const NoGrad no_grad;
      const Tensor own = argmax(parts_->output_layer().forward(outputs.back()), -1);
      previous = where(lt(rand(previous.shape()), sampling), own, previous);
    }
    Step now = parts_->step(previous, state, encoded.memory);
    state = std::move(now.state);
    outputs.push_back(now.output);
  }
  return stack(outputs, 1);
}

}  // namespace attune::nn
