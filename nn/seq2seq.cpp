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

// What row `row` looked at, among its `length` real positions.
std::vector<float> weights_of(const Seq2Seq::Step& step, std::int64_t row, std::int64_t length) {
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
  const bool keep_weights = options.keep_weights && model.options().attention != Attention::none;
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
      const bool ends = previous[row] == options.eos;
      if (!ends && t == options.max_length) continue;
      hypothesis.log_probability += static_cast<double>(of_row[previous[row]]);
      if (ends) {
        hypothesis.finished = true;
        --unfinished;
      } else {
        hypothesis.tokens.push_back(previous[row]);
        if (keep_weights) hypothesis.weights.push_back(weights_of(now, r, real[row]));
      }
    }
  }
  return hypotheses;
}

namespace {

// One way to go on: from which hypothesis, with which token, at what total.
struct Continuation {
  std::size_t from;
  std::int64_t token;
  double log_probability;
};

// The `count` best, the best first; `scores` [alive, vocabulary] are of the next token.
std::vector<Continuation> best_continuations(const std::vector<Hypothesis>& alive,
                                             const Tensor& scores, std::size_t count) {
  const TopK top = topk(scores, std::min(static_cast<std::int64_t>(count), scores.size(1)));
  const std::int64_t* const tokens = top.indices.data<std::int64_t>();
  const float* const of_tokens = top.values.data<float>();
  const auto of_each = static_cast<std::size_t>(top.values.size(1));
  std::vector<Continuation> ways;
  for (std::size_t i = 0; i < alive.size() * of_each; ++i) {
    const std::size_t from = i / of_each;
    ways.push_back(
        {from, tokens[i], alive[from].log_probability + static_cast<double>(of_tokens[i])});
  }
  std::stable_sort(ways.begin(), ways.end(), [](const Continuation& a, const Continuation& b) {
    return a.log_probability > b.log_probability;
  });
  ways.resize(std::min(ways.size(), count));
  return ways;
}

class BeamSearch {
 public:
  BeamSearch(const Seq2Seq& model, const Tensor& source, const DecodeOptions& options)
      : model_(model),
        options_(options),
        width_(static_cast<std::size_t>(std::max<std::int64_t>(options.beam, 1))),
        length_(source.size(1)),
        keep_weights_(options.keep_weights && model.options().attention != Attention::none) {
    auto [memory, state] = model.encode(source, from_vector(std::vector{length_}, {1}));
    memory_ = std::move(memory);
    state_ = std::move(state);
  }

  std::vector<Hypothesis> run() {
    for (std::int64_t t = 0; t <= options_.max_length && !alive_.empty() && !settled(); ++t) {
      extend(t == options_.max_length);
    }
    return finished_.empty() ? alive_ : finished_;
  }

 private:
  void extend(bool at_limit) {
    const Seq2Seq::Step now = model_.step(last_tokens(), state_, memory_of_alive());
    const Tensor scores = log_probabilities(model_, now.output);
    std::vector<Hypothesis> next;
    std::vector<std::int64_t> rows;
    for (const Continuation& way : best_continuations(alive_, scores, width_)) {
      Hypothesis longer = alive_[way.from];
      longer.log_probability = way.log_probability;
      if (way.token == options_.eos) {
        longer.finished = true;
        finished_.push_back(std::move(longer));
      } else if (!at_limit) {
        rows.push_back(static_cast<std::int64_t>(way.from));
        longer.tokens.push_back(way.token);
        if (keep_weights_) longer.weights.push_back(weights_of(now, rows.back(), length_));
        next.push_back(std::move(longer));
      }
    }
    sort_finished();
    if (at_limit && finished_.empty()) return;
    alive_ = std::move(next);
    const Tensor chosen = from_vector(rows, {static_cast<std::int64_t>(rows.size())});
    for (std::size_t layer = 0; layer < state_.size(); ++layer) {
      state_[layer] = index_select(now.state[layer], 0, chosen);
    }
  }

  Tensor last_tokens() const {
    std::vector<std::int64_t> tokens;
    for (const Hypothesis& hypothesis : alive_) {
      tokens.push_back(hypothesis.tokens.empty() ? options_.bos : hypothesis.tokens.back());
    }
    return from_vector(tokens, {static_cast<std::int64_t>(tokens.size())});
  }

  // The one source, seen by every hypothesis.
  Seq2Seq::Memory memory_of_alive() const {
    const auto repeated = [&](const Tensor& x) {
      if (!x.defined()) return x;
      Shape shape = x.shape();
      shape[0] = static_cast<std::int64_t>(alive_.size());
      return expand(x, shape);
    };
    return {repeated(memory_.keys), repeated(memory_.values), repeated(memory_.mask)};
  }

  void sort_finished() {
    std::stable_sort(finished_.begin(), finished_.end(),
                     [&](const Hypothesis& a, const Hypothesis& b) {
                       return rank(a.log_probability, a.tokens.size()) >
                              rank(b.log_probability, b.tokens.size());
                     });
    if (finished_.size() > width_) finished_.resize(width_);
  }

  double rank(double log_probability, std::size_t tokens) const {
    const double length = static_cast<double>(tokens) + 1;  // with <eos>
    return log_probability / std::pow((5 + length) / 6, options_.length_penalty);
  }

  // Whether nothing alive can still enter the best: log-probabilities only fall, and the longest
  // hypothesis has the most lenient rank.
  bool settled() const {
    if (finished_.size() < width_) return false;
    const Hypothesis& last = finished_.back();
    const auto longest = static_cast<std::size_t>(options_.max_length);
    return std::all_of(alive_.begin(), alive_.end(), [&](const Hypothesis& hypothesis) {
      return rank(hypothesis.log_probability, longest) <
             rank(last.log_probability, last.tokens.size());
    });
  }

  const Seq2Seq& model_;
  const DecodeOptions options_;
  const std::size_t width_;
  const std::int64_t length_;  // of the source
  const bool keep_weights_;
  Seq2Seq::Memory memory_;
  std::vector<Hypothesis> alive_ = std::vector<Hypothesis>(1);
  Seq2Seq::State state_;  // one row for each hypothesis alive
  std::vector<Hypothesis> finished_;
};

}  // namespace

std::vector<Hypothesis> beam_search(const Seq2Seq& model, const Tensor& source,
                                    const DecodeOptions& options) {
  const NoGrad no_grad;
  return BeamSearch(model, source, options).run();
}

}  // namespace attune::nn
