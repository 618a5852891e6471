// Texts become batches of ids, hypotheses become texts, and evaluation does both for a whole corpus
// in batches of similar length.

#include "nn/translator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "nn/data/metrics.h"

namespace attune::nn {
namespace {

using data::Vocabulary;
using Ids = std::vector<std::int64_t>;

// The most sequences decoded side by side, and the most tokens, padding included, that they may
// have together.
constexpr std::size_t most_rows = 64;
constexpr std::size_t most_tokens = 8192;
// The most logits held at once: a large vocabulary makes for small batches.
constexpr std::size_t most_logits = std::size_t{1} << 24;

// The indices of all lengths, the shortest first, in batches within the limits above.
std::vector<std::vector<std::size_t>> batches_by_length(const std::vector<std::size_t>& lengths,
                                                        std::size_t tokens) {
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return lengths[a] < lengths[b]; });
  std::vector<std::vector<std::size_t>> batches;
  for (const std::size_t index : order) {
    const bool full = batches.empty() || batches.back().size() == most_rows ||
                      (batches.back().size() + 1) * lengths[index] > tokens;
    if (full) batches.emplace_back();
    batches.back().push_back(index);
  }
  return batches;
}

// Rows of ids [rows, longest], padded at the end.
Tensor padded(const std::vector<Ids>& rows) {
  std::size_t longest = 0;
  for (const Ids& row : rows) longest = std::max(longest, row.size());
  Ids cells;
  cells.reserve(rows.size() * longest);
  for (const Ids& row : rows) {
    cells.insert(cells.end(), row.begin(), row.end());
    cells.resize(cells.size() + longest - row.size(), Vocabulary::pad);
  }
  return from_vector(cells,
                     {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(longest)});
}

Tensor lengths_of(const std::vector<Ids>& rows) {
  Ids lengths;
  for (const Ids& row : rows) lengths.push_back(static_cast<std::int64_t>(row.size()));
  return from_vector(lengths, {static_cast<std::int64_t>(rows.size())});
}

DecodeOptions with_special_ids(DecodeOptions options) {
  options.bos = Vocabulary::bos;
  options.eos = Vocabulary::eos;
  return options;
}

void check_size(const char* which, std::int64_t model, std::size_t vocabulary) {
  if (model == static_cast<std::int64_t>(vocabulary)) return;
  throw Error(fmt::format("the model was made for {} {} tokens, but the vocabulary has {}", model,
                          which, vocabulary));
}

}  // namespace

Translator::Translator(const Checkpoint& checkpoint)
    : Translator(Seq2Seq(checkpoint.options), checkpoint.tokens,
                 Vocabulary::from_tokens(checkpoint.source_vocabulary),
                 Vocabulary::from_tokens(checkpoint.target_vocabulary)) {
  model_.load_state_dict(checkpoint.parameters);
  model_.eval();
}

Translator::Translator(const Seq2Seq& model, data::TokenKinds tokens, Vocabulary source,
                       Vocabulary target)
    : model_(model), tokens_(tokens), source_(std::move(source)), target_(std::move(target)) {
  check_size("source", model.options().source_vocabulary, source_.size());
  check_size("target", model.options().target_vocabulary, target_.size());
}

Translation Translator::translate(const std::string& text, DecodeOptions options) const {
  return candidates(text, options).front();
}

std::vector<Translation> Translator::candidates(const std::string& text,
                                                DecodeOptions options) const {
  const Translation source = read(text);
  if (source.source_tokens.empty()) return {source};
  const Tensor ids = padded({source_.encode(source.source_tokens)});
  std::vector<Translation> translations;
  for (const Hypothesis& hypothesis : beam_search(model_, ids, with_special_ids(options))) {
    write(hypothesis, translations.emplace_back(source));
  }
  return translations;
}

std::vector<Translation> Translator::translate_all(const std::vector<std::string>& texts,
                                                   DecodeOptions options) const {
  options.keep_weights = false;
  std::vector<Translation> translations;
  if (options.beam > 1) {
    for (const std::string& text : texts) translations.push_back(translate(text, options));
    return translations;
  }
  std::vector<std::size_t> lengths;
  for (const std::string& text : texts) {
    lengths.push_back(translations.emplace_back(read(text)).source_tokens.size());
  }
  for (const auto& indices : batches_by_length(lengths, most_tokens)) {
    std::vector<Ids> rows;
    for (const std::size_t i : indices) {
      rows.push_back(source_.encode(translations[i].source_tokens));
    }
    const std::vector<Hypothesis> found =
        greedy(model_, padded(rows), lengths_of(rows), with_special_ids(options));
    for (std::size_t row = 0; row < indices.size(); ++row) {
      if (lengths[indices[row]] > 0) write(found[row], translations[indices[row]]);
    }
  }
  return translations;
}

Evaluation Translator::evaluate(const std::vector<data::Pair>& pairs,
                                const DecodeOptions& options) const {
  std::vector<std::string> sources;
  for (const data::Pair& pair : pairs) sources.push_back(pair.source);
  return judge(translate_all(sources, options), pairs);
}

data::TokenSequence Translator::reference_for(const data::TokenSequence& hypothesis,
                                              const data::Pair& pair) const {
  std::vector<data::TokenSequence> right{tokenize(pair.target, tokens_.target)};
  for (const std::string& other : pair.alternatives) {
    right.push_back(tokenize(other, tokens_.target));
  }
  return right.size() == 1 ? right.front() : right[data::closest_reference(hypothesis, right)];
}

Evaluation Translator::judge(const std::vector<Translation>& translations,
                             const std::vector<data::Pair>& pairs) const {
  std::vector<data::TokenSequence> hypotheses;
  std::vector<data::TokenSequence> references;
  for (const Translation& translation : translations) {
    hypotheses.push_back(translation.target_tokens);
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    references.push_back(
        reference_for(i < hypotheses.size() ? hypotheses[i] : data::TokenSequence(), pairs[i]));
  }
  Evaluation result;
  result.pairs = pairs.size();
  result.exact_match = data::exact_match(hypotheses, references);
  result.token_accuracy = data::token_accuracy(hypotheses, references);
  result.token_error_rate = data::token_error_rate(hypotheses, references);
  result.perplexity = perplexity(pairs);
  if (tokens_.target == data::Tokens::word)
    result.bleu = 100 * data::bleu(hypotheses, references).score;
  return result;
}

bool Translator::is_right(const Translation& translation, const data::Pair& pair) const {
  return translation.target_tokens == reference_for(translation.target_tokens, pair);
}

Batch Translator::batch(const std::vector<data::Pair>& pairs) const {
  std::vector<Ids> sources;
  std::vector<Ids> targets_in;
  std::vector<Ids> targets_out;
  for (const data::Pair& pair : pairs) {
    sources.push_back(source_.encode(tokenize(pair.source, tokens_.source)));
    const Ids target = target_.encode(tokenize(pair.target, tokens_.target));
    Ids& in = targets_in.emplace_back(Ids{Vocabulary::bos});
    in.insert(in.end(), target.begin(), target.end());
    targets_out.push_back(target);
    targets_out.back().push_back(Vocabulary::eos);
  }
  return {padded(sources), lengths_of(sources), padded(targets_in), padded(targets_out)};
}

// The text's side of a translation that is yet to be made.
Translation Translator::read(const std::string& text) const {
  Translation translation;
  translation.finished = true;
  translation.source_tokens = tokenize(text, tokens_.source);
  std::vector<std::string>& unknown = translation.unknown;
  for (const std::string& token : translation.source_tokens) {
    const bool is_new = std::find(unknown.begin(), unknown.end(), token) == unknown.end();
    if (!source_.contains(token) && is_new) unknown.push_back(token);
  }
  return translation;
}

// One token a step of the decoder, so that tokens and rows of weights agree in number.
void Translator::write(const Hypothesis& hypothesis, Translation& translation) const {
  for (const std::int64_t id : hypothesis.tokens) {
    translation.target_tokens.push_back(target_.token(id));
  }
  translation.text = detokenize(translation.target_tokens, tokens_.target);
  translation.weights = hypothesis.weights;
  translation.log_probability = hypothesis.log_probability;
  translation.finished = hypothesis.finished;
}

double Translator::perplexity(const std::vector<data::Pair>& pairs) const {
  const NoGrad no_grad;
  std::vector<std::size_t> lengths;
  std::size_t tokens = 0;
  for (const data::Pair& pair : pairs) {
    const std::size_t target = tokenize(pair.target, tokens_.target).size() + 1;
    lengths.push_back(tokenize(pair.source, tokens_.source).size() + target);
    tokens += target;
  }
  double total = 0;
  for (const auto& indices :
       batches_by_length(lengths, std::min(most_tokens, most_logits / target_.size()))) {
    std::vector<data::Pair> rows;
    for (const std::size_t i : indices) rows.push_back(pairs[i]);
    const Batch now = batch(rows);
    total += cross_entropy(model_.forward(now), now.target_out, Vocabulary::pad, 0, Reduction::sum)
                 .item();
  }
  return std::exp(total / static_cast<double>(tokens));
}

}  // namespace attune::nn
