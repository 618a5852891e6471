#include "nn/decode.h"

#include <algorithm>
#include <cmath>

#include "autograd/fused/most_probable.h"

namespace attune::nn {

namespace {

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
  const bool keep_weights = options.keep_weights && model.attends();
  std::vector<std::int64_t> previous(hypotheses.size(), options.bos);
  std::size_t unfinished = hypotheses.size();
  for (std::int64_t t = 0; t <= options.max_length && unfinished > 0; ++t) {
    Seq2Seq::Step now = model.step(from_vector(previous, {batch}), state, memory);
    state = std::move(now.state);
    const MostProbable best = most_probable(model.logits(now.output));
    const Tensor log_probabilities = best.log_probabilities.to(DType::float32);
    for (std::size_t row = 0; row < hypotheses.size(); ++row) {
      Hypothesis& hypothesis = hypotheses[row];
      if (hypothesis.finished) continue;
      const auto r = static_cast<std::int64_t>(row);
      previous[row] = best.classes.data<std::int64_t>()[row];
      const bool ends = previous[row] == options.eos;
      if (!ends && t == options.max_length) continue;
      hypothesis.log_probability += static_cast<double>(log_probabilities.data<float>()[row]);
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
        keep_weights_(options.keep_weights && model.attends()) {
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
    Memory result{memory_.keys, memory_.values, repeated(memory_.mask)};
    for (Tensor& keys : result.keys) keys = repeated(keys);
    for (Tensor& values : result.values) values = repeated(values);
    return result;
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
