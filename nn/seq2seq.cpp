#include "nn/seq2seq.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace attune::nn {
namespace {

constexpr std::int64_t padding_id = 0;

std::int64_t positive(std::int64_t value, const char* what) {
  if (value < 1)
    throw Error(fmt::format("Seq2Seq: {} is {}, and must be at least 1.", what, value));
  return value;
}

bool needs_keys_of_query_size(Attention attention) {
  return attention == Attention::dot || attention == Attention::scaled;
}

}  // namespace

Seq2Seq::Seq2Seq(const Seq2SeqOptions& options)
    : options_(options),
      source_embedding_(
          child("source_embedding",
                Embedding(positive(options.source_vocabulary, "the source vocabulary"),
                          positive(options.embedding, "the embedding size"), padding_id))),
      target_embedding_(child("target_embedding", Embedding(positive(options.target_vocabulary,
                                                                     "the target vocabulary"),
                                                            options.embedding, padding_id))),
      encoder_(child("encoder", GRU(options.embedding, positive(options.hidden, "the hidden size"),
                                    {positive(options.layers, "the number of layers"), true,
                                     options.dropout}))),
      dropout_(child("dropout", Dropout(options.dropout))),
      output_(child("output", Linear(options.hidden, options.target_vocabulary))) {
  const std::int64_t memory_size = 2 * options.hidden;
  std::int64_t input_size = options.embedding;
  if (options.attention != Attention::none) {
    std::int64_t key_size = memory_size;
    if (needs_keys_of_query_size(options.attention)) {
      key_projection_ = child("key_projection", Linear(memory_size, options.hidden, false));
      key_size = options.hidden;
    }
    score_ = child("attention", make_score(options.attention, options.hidden, key_size,
                                           positive(options.attention_size, "the attention size")));
    input_size += memory_size;
  }
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    bridges_.push_back(
        child(fmt::format("bridge{}", layer), Linear(options.hidden, options.hidden)));
    decoder_.push_back(child(fmt::format("decoder{}", layer), GRUCell(input_size, options.hidden)));
    input_size = options.hidden;
  }
}

Seq2Seq::Encoded Seq2Seq::encode(const Tensor& source, const Tensor& lengths) const {
  const Scope in = scope();
  const Tensor embedded = dropout_.forward(source_embedding_.forward(source));
  const GRU::Result read = encoder_.forward(embedded, lengths);
  Encoded encoded;
  for (std::size_t layer = 0; layer < bridges_.size(); ++layer) {
    // The backward direction ends at the first token, and so has just seen where the target begins.
    const Tensor last = select(read.state, 0, static_cast<std::int64_t>(2 * layer + 1));
    encoded.state.push_back(tanh(bridges_[layer].forward(last)));  // [batch, hidden]
  }
  if (score_) {
    const Tensor keys = key_projection_ ? key_projection_->forward(read.output) : read.output;
    encoded.memory = {score_->prepare(keys), read.output, padding_mask(lengths, source.size(1))};
  }
  return encoded;
}

Seq2Seq::Step Seq2Seq::step(const Tensor& previous, const State& state,
                            const Memory& memory) const {
  const Scope in = scope();
  Step result;
  Tensor x = dropout_.forward(target_embedding_.forward(previous));  // [batch, embedding]
  if (score_) {
    const Tensor query = unsqueeze(state.back(), 1);  // [batch, 1, hidden]
    const Attended seen = attend_prepared(*score_, query, memory.keys, memory.values, memory.mask);
    x = cat({x, squeeze(seen.context, 1)}, -1);  // [batch, embedding + 2 hidden]
    result.weights = squeeze(seen.weights, 1);   // [batch, source]
  }
  for (std::size_t layer = 0; layer < decoder_.size(); ++layer) {
    if (layer > 0) x = dropout_.forward(x);
    x = decoder_[layer].forward(x, state[layer]);  // [batch, hidden]
    result.state.push_back(x);
  }
  result.output = dropout_.forward(x);
  return result;
}

Tensor Seq2Seq::logits(const Tensor& output) const {
  const Scope in = scope();
  return output_.forward(output);
}

Tensor Seq2Seq::forward(const Batch& batch, double sampling) const {
  auto [memory, state] = encode(batch.source, batch.source_lengths);
  const std::vector<Tensor> given = unbind(batch.target_in, 1);
  std::vector<Tensor> outputs;
  for (std::size_t t = 0; t < given.size(); ++t) {
    const Scope in("step", t);
    Tensor previous = given[t];
    if (sampling > 0 && t > 0) {
      const NoGrad no_grad;
      const Tensor own = argmax(logits(outputs.back()), -1);
      previous = where(lt(rand(previous.shape()), sampling), own, previous);
    }
    Step now = step(previous, state, memory);
    state = std::move(now.state);
    outputs.push_back(now.output);
  }
  return logits(stack(outputs, 1));
}

namespace {

std::int64_t best_of(const float* row, std::int64_t n) {
  return std::max_element(row, row + n) - row;
}

Tensor log_probabilities(const Seq2Seq& model, const Tensor& output) {
  return log_softmax(model.logits(output)).to(DType::float32).contiguous();
}

std::vector<float> weights_of(const Seq2Seq::Step& step, std::int64_t row, std::int64_t length) {
  if (!step.weights.defined()) return {};
  return slice(select(step.weights, 0, row), 0, 0, length).to_vector<float>();
}

}  // namespace

std::vector<Hypothesis> greedy(const Seq2Seq& model, const Tensor& source, const Tensor& lengths,
                               const DecodeOptions& options) {
  const NoGrad no_grad;
  const std::int64_t batch = source.size(0);
  const std::vector<std::int64_t> real = lengths.to_vector<std::int64_t>();
  std::vector<Hypothesis> hypotheses(static_cast<std::size_t>(batch));
  auto [memory, state] = model.encode(source, lengths);
  std::vector<std::int64_t> previous(hypotheses.size(), options.bos);
  std::size_t unfinished = hypotheses.size();
  for (std::int64_t t = 0; t <= options.max_length && unfinished > 0; ++t) {
    Seq2Seq::Step now = model.step(from_vector(previous, {batch}), state, memory);
    state = std::move(now.state);
    const Tensor scores = log_probabilities(model, now.output);
    const std::int64_t n = scores.size(1);
    for (std::size_t row = 0; row < hypotheses.size(); ++row) {
      Hypothesis& hypothesis = hypotheses[row];
      if (hypothesis.finished) continue;
      const auto r = static_cast<std::int64_t>(row);
      const float* const of_row = scores.data<float>() + r * n;
      previous[row] = best_of(of_row, n);
      if (previous[row] == options.eos) {
        hypothesis.log_probability += static_cast<double>(of_row[previous[row]]);
        hypothesis.finished = true;
        --unfinished;
      } else if (t < options.max_length) {
        hypothesis.log_probability += static_cast<double>(of_row[previous[row]]);
        hypothesis.tokens.push_back(previous[row]);
        if (now.weights.defined()) hypothesis.weights.push_back(weights_of(now, r, real[row]));
      }
    }
  }
  return hypotheses;
}

namespace {

double rank_of(const Hypothesis& hypothesis, double alpha) {
  const double length = static_cast<double>(hypothesis.tokens.size()) + 1;
  return hypothesis.log_probability / std::pow((5 + length) / 6, alpha);
}

// One way to go on: from which hypothesis, with which token, at what total.
struct Continuation {
  std::size_t from;
  std::int64_t token;
  double log_probability;
};

std::vector<Continuation> best_continuations(const std::vector<Hypothesis>& alive,
                                             const Tensor& scores, std::int64_t count) {
  const std::int64_t n = scores.size(1);
  const TopK top = topk(scores, std::min(count, n));
  const std::int64_t kept = top.values.size(1);
  std::vector<Continuation> all;
  for (std::size_t row = 0; row < alive.size(); ++row) {
    const auto r = static_cast<std::int64_t>(row);
    for (std::int64_t k = 0; k < kept; ++k) {
      all.push_back({row, top.indices.data<std::int64_t>()[r * kept + k],
                     alive[row].log_probability +
                         static_cast<double>(top.values.data<float>()[r * kept + k])});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.log_probability > b.log_probability;
  });
  return all;
}

}  // namespace

std::vector<Hypothesis> beam_search(const Seq2Seq& model, const Tensor& source,
                                    const DecodeOptions& options) {
  const NoGrad no_grad;
  const std::int64_t length = source.size(1);
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(options.beam, 1));
  const auto better = [&](const Hypothesis& a, const Hypothesis& b) {
    return rank_of(a, options.length_penalty) > rank_of(b, options.length_penalty);
  };
  const auto encoded = model.encode(source, from_vector(std::vector{length}, {1}));
  std::vector<Hypothesis> alive(1);
  std::vector<Hypothesis> finished;
  std::vector<std::int64_t> previous{options.bos};
  Seq2Seq::State state = encoded.state;
  for (std::int64_t t = 0; t <= options.max_length && !alive.empty(); ++t) {
    const auto rows = static_cast<std::int64_t>(alive.size());
    const auto repeat = [&](const Tensor& x) {
      if (!x.defined()) return x;
      Shape shape = x.shape();
      shape[0] = rows;
      return expand(x, shape);
    };
    const Seq2Seq::Memory memory{repeat(encoded.memory.keys), repeat(encoded.memory.values),
                                 repeat(encoded.memory.mask)};
    Seq2Seq::Step now = model.step(from_vector(previous, {rows}), state, memory);
    const Tensor scores = log_probabilities(model, now.output);
    std::vector<Hypothesis> next;
    std::vector<std::int64_t> kept_rows;
    previous.clear();
    for (const Continuation& way :
         best_continuations(alive, scores, static_cast<std::int64_t>(2 * width))) {
      if (next.size() == width) break;
      Hypothesis longer = alive[way.from];
      longer.log_probability = way.log_probability;
      if (way.token == options.eos) {
        longer.finished = true;
        finished.push_back(std::move(longer));
        continue;
      }
      if (t == options.max_length) continue;
      longer.tokens.push_back(way.token);
      if (now.weights.defined()) {
        longer.weights.push_back(weights_of(now, static_cast<std::int64_t>(way.from), length));
      }
      next.push_back(std::move(longer));
      kept_rows.push_back(static_cast<std::int64_t>(way.from));
      previous.push_back(way.token);
    }
    if (next.empty() && finished.empty()) break;
    std::stable_sort(finished.begin(), finished.end(), better);
    if (finished.size() > width) finished.resize(width);
    // Nothing alive can still enter the best: log-probabilities only fall, and the longest
    // hypothesis has the most lenient rank.
    const auto hopeless = [&](const Hypothesis& hypothesis) {
      const double most = static_cast<double>(options.max_length) + 1;
      return finished.size() == width &&
             hypothesis.log_probability / std::pow((5 + most) / 6, options.length_penalty) <
                 rank_of(finished.back(), options.length_penalty);
    };
    alive = std::move(next);
    if (std::all_of(alive.begin(), alive.end(), hopeless)) break;
    const Tensor chosen = from_vector(kept_rows, {static_cast<std::int64_t>(kept_rows.size())});
    state.clear();
    for (const Tensor& layer : now.state) state.push_back(index_select(layer, 0, chosen));
  }
  for (Hypothesis& hypothesis : alive) {
    if (finished.size() < width) finished.push_back(std::move(hypothesis));
  }
  std::stable_sort(finished.begin(), finished.end(), [&](const auto& a, const auto& b) {
    return a.finished != b.finished ? a.finished : better(a, b);
  });
  return finished;
}

}  // namespace attune::nn
