#include "nn/recurrent.h"

#include <fmt/format.h>

#include "autograd/fused/gru.h"

namespace attune::nn {
namespace {

// So few that multiplying costs less than reading what to multiply by.
constexpr std::int64_t few_sentences = 4;

bool wants_lstm(const Seq2SeqOptions& options) {
  return options.architecture == Architecture::lstm;
}

// The encoder.
template <class Layer>
Layer reader(const Seq2SeqOptions& options) {
  return Layer(options.embedding, options.hidden,
               {.layers = options.layers, .bidirectional = true, .dropout = options.dropout});
}

// What the last layer's directions ended with [batch, 1, 2 hidden], of states [2 layers, batch,
// hidden].
Tensor ends_of_reading(const Tensor& last) {
  const std::int64_t count = last.size(0);
  return unsqueeze(cat({select(last, 0, count - 2), select(last, 0, count - 1)}, -1), 1);
}

bool needs_keys_of_query_size(Attention attention) {
  return attention == Attention::dot || attention == Attention::scaled;
}

}  // namespace

Look::Look(const Seq2SeqOptions& options, std::int64_t memory_size, std::shared_ptr<Score> score)
    : context_size_(memory_size) {
  if (score) {
    score_ = child("attention", std::move(score));
    return;
  }
  if (options.attention == Attention::multihead) {
    context_size_ = options.hidden;
    heads_ = child("attention",
                   MultiheadAttention(options.hidden, options.heads,
                                      {.key_size = memory_size, .value_size = memory_size}));
    return;
  }
  std::int64_t key_size = memory_size;
  if (needs_keys_of_query_size(options.attention)) {
    key_projection_ = child("key_projection", Linear(memory_size, options.hidden, false));
    key_size = options.hidden;
  }
  score_ = child("attention",
                 make_score(options.attention, options.hidden, key_size, options.attention_size));
}

Memory Look::prepare(const Packed& states, const Tensor& mask) const {
  const Tensor whole = unpack(states);  // [batch, source, features]
  if (heads_) {
    const MultiheadAttention::Projected seen = heads_->project(whole, whole);
    return {{seen.keys}, {seen.values}, mask};
  }
  const Tensor keys = key_projection_ ? key_projection_->forward(states.rows) : states.rows;
  return {{unpack(score_->prepare(keys), states.steps)}, {whole}, mask};
}

const AdditiveScore* Look::additive() const {
  return dynamic_cast<const AdditiveScore*>(score_.get());
}

Attended Look::operator()(const Tensor& query, const Memory& memory) const {
  const Tensor one = unsqueeze(query, 1);  // [batch, 1, hidden]
  if (heads_) {
    const Attended seen =
        heads_->forward(one, {memory.keys[0], memory.values[0]}, unsqueeze(memory.mask, 1));
    return {squeeze(seen.context, 1), squeeze(mean(seen.weights, {1}), 1)};
  }
  const Attended seen =
      attend_prepared(*score_, one, memory.keys[0], memory.values[0], memory.mask);
  return {squeeze(seen.context, 1), squeeze(seen.weights, 1)};
}

RecurrentEncoderDecoder::RecurrentEncoderDecoder(const Seq2SeqOptions& options,
                                                 std::shared_ptr<Score> score)
    : hidden_(options.hidden),
      after_(options.attending == Attending::after && attends_by(options.attention)),
      fixed_(options.attention == Attention::fixed),
      bridge_both_(options.bridge_both && !attends_by(options.attention)),
      source_embedding_(child("source_embedding",
                              Embedding(options.source_vocabulary, options.embedding, padding_id))),
      target_embedding_(child("target_embedding",
                              Embedding(options.target_vocabulary, options.embedding, padding_id))),
      gru_(wants_lstm(options) ? std::nullopt
                               : std::optional(child("encoder", reader<GRU>(options)))),
      lstm_(wants_lstm(options) ? std::optional(child("encoder", reader<LSTM>(options)))
                                : std::nullopt),
      dropout_(child("dropout", Dropout(options.dropout))),
      output_(child("output", Linear(hidden_, options.target_vocabulary))) {
  std::int64_t input_size = options.embedding;
  if (fixed_) input_size += 2 * hidden_;
  if (attends_by(options.attention)) {
    look_ = child("", Look(options, 2 * hidden_, std::move(score)));
    input_size += after_ ? hidden_ : look_->context_size();
  }
  const std::int64_t read = bridge_both_ ? 2 * hidden_ : hidden_;
  for (std::int64_t layer = 0; layer < options.layers; ++layer) {
    bridges_.push_back(child(fmt::format("bridge{}", layer), Linear(read, hidden_)));
    const std::string name = fmt::format("decoder{}", layer);
    if (wants_lstm(options)) {
      cell_bridges_.push_back(child(fmt::format("cell_bridge{}", layer), Linear(read, hidden_)));
      lstm_decoder_.push_back(child(name, LSTMCell(input_size, hidden_)));
    } else {
      gru_decoder_.push_back(child(name, GRUCell(input_size, hidden_)));
    }
    input_size = hidden_;
  }
  if (after_) combine_ = child("combine", Linear(look_->context_size() + hidden_, hidden_, false));
}

Vectors RecurrentEncoderDecoder::embed(const Embedding& table, const Tensor& ids) const {
  // After dropout, vectors of one token differ.
  return dropout_.active() ? dropout_.forward(table.forward(ids)) : table.vectors(ids);
}

Recurrent::Sequence RecurrentEncoderDecoder::read(const Tensor& source,
                                                  const Tensor& lengths) const {
  const Vectors embedded = embed(source_embedding_, source);
  return lstm_ ? lstm_->read(embedded, lengths) : gru_->read(embedded, lengths);
}

Encoded RecurrentEncoderDecoder::encode(const Tensor& source, const Tensor& lengths) const {
  const Recurrent::Sequence seen = read(source, lengths);
  Encoded encoded;
  encoded.state = initial_state(seen.last, source.size(0));
  if (fixed_) encoded.memory.values = {ends_of_reading(seen.last[0])};
  if (look_) encoded.memory = look_->prepare(seen.output, padding_mask(lengths, source.size(1)));
  // For few sentences a step of the decoder costs what it takes to read the weights.
  if (has_fused_states() && !grad_enabled() && source.size(0) <= few_sentences) {
    encoded.memory.values = {linear(encoded.memory.values[0], input_weights()[1])};
  }
  return encoded;
}

DecoderState RecurrentEncoderDecoder::initial_state(const std::vector<Tensor>& last,
                                                    std::int64_t batch) const {
  DecoderState state;
  for (std::size_t kind = 0; kind < last.size(); ++kind) {
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      const auto forward = static_cast<std::int64_t>(2 * layer);
      // The backward direction ends at the first token, and so has just seen where the target
      // begins.
      Tensor read = select(last[kind], 0, forward + 1);
      if (bridge_both_) read = cat({select(last[kind], 0, forward), read}, -1);
      const Linear& bridge = kind == 0 ? bridges_[layer] : cell_bridges_[layer];
      state.push_back(tanh(bridge.forward(read)));  // [batch, hidden]
    }
  }
  if (after_) state.push_back(zeros({batch, hidden_}, state[0].dtype()));
  return state;
}

Tensor RecurrentEncoderDecoder::run_cells(Tensor x, const DecoderState& state,
                                          DecoderState& next) const {
  next.resize(lstm() ? 2 * layers() : layers());
  for (std::size_t layer = 0; layer < layers(); ++layer) {
    if (layer > 0) x = dropout_.forward(x);
    if (lstm()) {
      const LSTMState now =
          lstm_decoder_[layer].forward(x, {state[layer], state[layers() + layer]});
      next[layers() + layer] = now.cell;
      x = now.state;
    } else {
      x = gru_decoder_[layer].forward(x, state[layer]);
    }
    next[layer] = x;  // [batch, hidden]
  }
  return x;
}

Step RecurrentEncoderDecoder::step_from(const Tensor& embedded, const DecoderState& state,
                                        const Memory& memory) const {
  Step result;
  if (after_) {
    const Tensor s = run_cells(cat({embedded, state.back()}, -1), state, result.state);
    const Attended seen = (*look_)(s, memory);
    const Tensor a = tanh(combine_->forward(cat({seen.context, s}, -1)));  // [batch, hidden]
    result.state.push_back(a);
    result.weights = seen.weights;
    result.output = dropout_.forward(a);
    return result;
  }
  Tensor x = embedded;
  if (fixed_) x = cat({x, squeeze(memory.values[0], 1)}, -1);
  if (look_) {
    const Attended seen = (*look_)(state[layers() - 1], memory);
    x = cat({x, seen.context}, -1);
    result.weights = seen.weights;
  }
  result.output = dropout_.forward(run_cells(x, state, result.state));
  return result;
}

Step RecurrentEncoderDecoder::step(const Tensor& previous, const DecoderState& state,
                                   const Memory& memory) const {
  const Vectors embedded = embed(target_embedding_, unsqueeze(previous, 1));
  if (!has_fused_states()) return step_from(squeeze(embedded.whole(), 1), state, memory);
  const Steps one(previous.size(0), 1);
  const LookedAt source{memory.keys[0], memory.values[0], squeeze(memory.mask, 1)};
  const AttentionGRUResult now = fused_states(embedded, one, state, source);
  const Tensor next = squeeze(unpack(now.output, one), 1);  // [batch, hidden]
  return {{next}, dropout_.forward(next), squeeze(unpack(now.weights, one), 1)};
}

bool RecurrentEncoderDecoder::has_fused_states() const {
  return gru_decoder_.size() == 1 && !after_ && look_ && look_->additive() != nullptr;
}

std::vector<Tensor> RecurrentEncoderDecoder::input_weights() const {
  const Tensor& weight = gru_decoder_[0].weight_ih;
  const std::int64_t own = target_embedding_.weight.size(1);
  return split(weight, {own, weight.size(1) - own}, 1);
}

AttentionGRUResult RecurrentEncoderDecoder::fused_states(const Vectors& embedded,
                                                         const Steps& steps,
                                                         const DecoderState& state,
                                                         const LookedAt& source) const {
  const Scope in("decoder");
  const GRUCell& cell = gru_decoder_[0];
  const AdditiveScore& score = *look_->additive();
  const std::vector<Tensor> columns = input_weights();
  const Tensor input = embedded.linear_of(steps, columns[0], cell.bias_ih);  // [steps, 3 hidden]
  const bool multiplied = source.values.size(-1) == 3 * hidden_;             // by encode()
  const Tensor of_context = multiplied ? Tensor() : columns[1];
  return attention_gru({input, state[0], source.keys, source.values, score.query_weight, score.v,
                        of_context, cell.weight_hh, cell.bias_hh, source.mask, source.steps},
                       steps);
}

bool RecurrentEncoderDecoder::has_sequences() const {
  return !gru_decoder_.empty() && !look_;
}

Tensor RecurrentEncoderDecoder::sequences(const Vectors& embedded, const Steps& steps,
                                          const Encoded& encoded) const {
  const Scope in("decoder");
  Tensor x;
  for (std::size_t layer = 0; layer < layers(); ++layer) {
    const GRUCell& cell = gru_decoder_[layer];
    if (layer > 0) x = dropout_.forward(x);
    const std::int64_t own = layer == 0 ? embedded.features() : x.size(-1);
    const std::vector<Tensor> columns =
        split(cell.weight_ih, {own, cell.weight_ih.size(1) - own}, 1);
    Tensor gates = layer == 0 ? embedded.linear_of(steps, columns[0], cell.bias_ih)
                              : linear(x, columns[0], cell.bias_ih);  // [steps, 3 hidden]
    if (fixed_ && layer == 0) {
      const Tensor shown = linear(encoded.memory.values[0], columns[1]);  // [batch, 1, 3 hidden]
      gates = gates + pack(expand(shown, {steps.batch(), steps.time(), shown.size(2)}), steps);
    }
    x = gru_sequence(gates, encoded.state[layer], cell.weight_hh, cell.bias_hh, steps).output;
  }
  return x;
}

Packed RecurrentEncoderDecoder::outputs(const Batch& batch, const Tensor& target_lengths) const {
  const Tensor& before = batch.target_in;
  const Steps steps(before.size(0), before.size(1), target_lengths, StepOrder::forward, hidden_);
  if (has_fused_states()) {
    const auto [states, last] = read(batch.source, batch.source_lengths);
    const LookedAt source{look_->additive()->prepare(states.rows), states.rows, {}, states.steps};
    const AttentionGRUResult all = fused_states(embed(target_embedding_, before), steps,
                                                initial_state(last, steps.batch()), source);
    return {dropout_.forward(all.output), steps};
  }
  const Encoded encoded = encode(batch.source, batch.source_lengths);
  const Vectors embedded = embed(target_embedding_, before);
  if (has_sequences()) return {dropout_.forward(sequences(embedded, steps, encoded)), steps};
  DecoderState state = encoded.state;
  std::vector<Tensor> outputs;
  for (const Tensor& x : unbind(embedded.whole(), 1)) {
    const Scope in("step", outputs.size());
    Step now = step_from(x, state, encoded.memory);
    state = std::move(now.state);
    outputs.push_back(now.output);
  }
  return {pack(stack(outputs, 1), steps), steps};
}

}  // namespace attune::nn
