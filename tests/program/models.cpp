#include "tests/program/models.h"

#include <algorithm>

#include "autograd/random.h"

using namespace attune;
using namespace attune::nn;
using attune::data::Pair;

namespace {

data::Vocabulary vocabulary_of(const std::vector<Pair>& pairs, std::string Pair::*side,
                               data::Tokens tokens) {
  data::TokenCounts counts;
  for (const Pair& pair : pairs) counts.add(tokenize(pair.*side, tokens));
  return data::Vocabulary(counts);
}

std::int64_t longest_of(const std::vector<Pair>& pairs, std::string Pair::*side,
                        data::Tokens tokens) {
  std::size_t longest = 0;
  for (const Pair& pair : pairs) longest = std::max(longest, tokenize(pair.*side, tokens).size());
  return static_cast<std::int64_t>(longest);
}

void learn_by_heart(Seq2Seq& model, const Batch& batch) {
  for (int step = 0; step < 300; ++step) {
    model.zero_grad();
    cross_entropy(model.forward(batch), batch.target_out, data::Vocabulary::pad).backward();
    const NoGrad no_grad;
    for (Tensor& tensor : model.parameters()) tensor.add_(tensor.grad(), -0.5);
  }
}

}  // namespace

Checkpoint trained_checkpoint(const std::vector<Pair>& pairs, data::Tokens tokens,
                              Attention attention) {
  manual_seed(61);
  const data::Vocabulary source = vocabulary_of(pairs, &Pair::source, tokens);
  const data::Vocabulary target = vocabulary_of(pairs, &Pair::target, tokens);
  Checkpoint checkpoint;
  checkpoint.options.source_vocabulary = static_cast<std::int64_t>(source.size());
  checkpoint.options.target_vocabulary = static_cast<std::int64_t>(target.size());
  checkpoint.options.embedding = 8;
  checkpoint.options.hidden = 16;
  checkpoint.options.attention_size = 8;
  checkpoint.options.attention = attention;
  checkpoint.tokens = tokens;
  checkpoint.source_vocabulary = source.tokens();
  checkpoint.target_vocabulary = target.tokens();
  checkpoint.longest_source = longest_of(pairs, &Pair::source, tokens);
  checkpoint.longest_target = longest_of(pairs, &Pair::target, tokens);
  Seq2Seq model(checkpoint.options);
  learn_by_heart(model, Translator(model, tokens, source, target).batch(pairs));
  checkpoint.parameters = model.state_dict();
  return checkpoint;
}

const std::vector<Pair>& reversals() {
  static const std::vector<Pair> pairs{
      {"abc", "cba"}, {"d", "d"}, {"你 b", "b 你"}, {"dca", "acd"}};
  return pairs;
}

const std::vector<Pair>& german() {
  static const std::vector<Pair> pairs{{"the cold sea", "das kalte meer"},
                                       {"the sea", "das meer"},
                                       {"the old sea is cold", "das alte meer ist kalt"}};
  return pairs;
}

const Checkpoint& reversing_model() {
  static const Checkpoint checkpoint = trained_checkpoint(reversals(), data::Tokens::character);
  return checkpoint;
}

const Checkpoint& german_model() {
  static const Checkpoint checkpoint = trained_checkpoint(german(), data::Tokens::word);
  return checkpoint;
}
