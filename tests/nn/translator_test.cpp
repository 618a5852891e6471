// Text in, text out: a tiny model that has learned to reverse, and its evaluation.

#include "nn/translator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/random.h"
#include "nn/data/metrics.h"
#include "tests/difference.h"

using namespace attune;
using namespace attune::nn;
using attune::data::Pair;
using attune::data::Tokens;
using attune::data::Vocabulary;

namespace {

const std::vector<Pair> known_pairs{{"abc", "cba"}, {"d", "d"}, {"ab", "ba"}, {"dca", "acd"}};
const std::vector<Pair> word_pairs{{"the cold sea", "das kalte meer"},
                                   {"the sea", "das meer"},
                                   {"the old sea is cold", "das alte meer ist kalt"}};

Vocabulary vocabulary_of(const std::vector<Pair>& from, std::string Pair::*side, Tokens tokens) {
  data::TokenCounts counts;
  for (const Pair& pair : from) counts.add(tokenize(pair.*side, tokens));
  return Vocabulary(counts);
}

// A translator in evaluation mode that knows the given pairs by heart.
Translator trained(const std::vector<Pair>& on, data::TokenKinds tokens,
                   Attention attention = Attention::additive) {
  manual_seed(51);
  Vocabulary source = vocabulary_of(on, &Pair::source, tokens.source);
  Vocabulary target = vocabulary_of(on, &Pair::target, tokens.target);
  Seq2SeqOptions options;
  options.source_vocabulary = static_cast<std::int64_t>(source.size());
  options.target_vocabulary = static_cast<std::int64_t>(target.size());
  options.embedding = 8;
  options.hidden = 16;
  options.attention_size = 8;
  options.attention = attention;
  Seq2Seq model(options);
  Translator translator(model, tokens, std::move(source), std::move(target));
  const Batch batch = translator.batch(on);
  for (int step = 0; step < 250; ++step) {
    model.zero_grad();
    cross_entropy(model.forward(batch), batch.target_out, Vocabulary::pad).backward();
    const NoGrad no_grad;
    for (Tensor& tensor : model.parameters()) tensor.add_(tensor.grad(), -0.5);
  }
  model.eval();
  return translator;
}

const Translator& reverser() {
  static const Translator translator = trained(known_pairs, Tokens::character);
  return translator;
}

Checkpoint checkpoint_of(const Translator& translator) {
  Checkpoint checkpoint;
  checkpoint.options = translator.model().options();
  checkpoint.tokens = translator.tokens();
  checkpoint.source_vocabulary = translator.source().tokens();
  checkpoint.target_vocabulary = translator.target().tokens();
  checkpoint.parameters = translator.model().state_dict();
  return checkpoint;
}

// Many known_pairs of many lengths, which the model has not seen.
std::vector<Pair> random_pairs(std::size_t count) {
  Generator generator(52);
  std::vector<Pair> result;
  const auto random_text = [&](std::size_t length) {
    std::string text;
    while (text.size() < length) text += static_cast<char>('a' + generator.below(4));
    return text;
  };
  for (std::size_t i = 0; i < count; ++i) {
    result.push_back({random_text(1 + generator.below(9)), random_text(generator.below(7))});
  }
  return result;
}

}  // namespace

TEST_CASE("a translation tells its tokens, its weights and its probability") {
  const Translation translation = reverser().translate("abc");
  CHECK(translation.text == "cba");
  CHECK(translation.finished);
  CHECK(translation.source_tokens == std::vector<std::string>{"a", "b", "c"});
  CHECK(translation.target_tokens == std::vector<std::string>{"c", "b", "a"});
  REQUIRE(translation.weights.size() == 3);
  for (const std::vector<float>& row : translation.weights) {
    CHECK(row.size() == 3);
    CHECK(std::accumulate(row.begin(), row.end(), 0.0) == doctest::Approx(1));
  }
  CHECK(translation.log_probability < 0);
  CHECK(translation.log_probability > -0.5);
  CHECK(translation.unknown.empty());
}

TEST_CASE("unknown tokens are named once each, and read as <unk>") {
  const Translation translation = reverser().translate("aéxéa");
  CHECK(translation.unknown == std::vector<std::string>{"é", "x"});
  CHECK(translation.source_tokens.size() == 5);
  CHECK(translation.text == reverser().translate("ayyya").text);
}

TEST_CASE("a text without tokens translates to the empty text") {
  const Translator translator = trained(word_pairs, Tokens::word);
  const Translation translation = translator.translate(" \t ");
  CHECK(translation.text.empty());
  CHECK(translation.finished);
  CHECK(translator.translate_all({"the sea", " ", ""})[1].text.empty());
}

TEST_CASE("words are translated as words, without attention too") {
  for (const Attention kind : {Attention::none, Attention::scaled}) {
    CAPTURE(name_of(kind));
    const Translator translator = trained(word_pairs, Tokens::word, kind);
    const Translation translation = translator.translate("the  old sea is\tcold");
    CHECK(translation.text == "das alte meer ist kalt");
    CHECK(translation.weights.empty() == (kind == Attention::none));
  }
}

TEST_CASE("text that is not UTF-8 is refused") {
  CHECK_THROWS_WITH_AS(reverser().translate("ab\xFF"),
                       doctest::Contains("not valid UTF-8 at byte 2"), Error);
}

TEST_CASE("candidates are distinct, and the first is the translation") {
  DecodeOptions options;
  options.beam = 3;
  const std::vector<Translation> found = reverser().candidates("abc", options);
  REQUIRE(found.size() == 3);
  CHECK(found[0].text == "cba");
  CHECK(found[0].text == reverser().translate("abc", options).text);
  CHECK(found[1].text != found[0].text);
  CHECK(found[2].text != found[1].text);
  for (const Translation& translation : found) {
    CHECK(translation.source_tokens.size() == 3);
    CHECK(translation.weights.size() == translation.target_tokens.size());
  }
}

TEST_CASE("the limit cuts a translation off, and it says so") {
  DecodeOptions options;
  options.max_length = 2;
  const Translation translation = reverser().translate("abc", options);
  CHECK(translation.text == "cb");
  CHECK(!translation.finished);
}

TEST_CASE("special tokens that the model writes keep tokens and weights together") {
  Checkpoint checkpoint = checkpoint_of(reverser());
  for (auto& [name, tensor] : checkpoint.parameters) {
    if (name == "output.bias") select(tensor, 0, Vocabulary::pad).fill_(1000);
  }
  DecodeOptions options;
  options.max_length = 2;
  const Translation translation = Translator(checkpoint).translate("abc", options);
  CHECK(translation.target_tokens == std::vector<std::string>{"<pad>", "<pad>"});
  CHECK(translation.text == "<pad><pad>");
  CHECK(translation.weights.size() == 2);
}

TEST_CASE("many texts at once, in any order, are each translated as alone") {
  std::vector<std::string> texts;
  for (const Pair& pair : random_pairs(150)) texts.push_back(pair.source);
  for (const std::int64_t beam : {1, 2}) {
    CAPTURE(beam);
    DecodeOptions options;
    options.beam = beam;
    options.max_length = 12;
    const std::vector<Translation> together = reverser().translate_all(texts, options);
    REQUIRE(together.size() == texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      CAPTURE(texts[i]);
      const Translation alone = reverser().translate(texts[i], options);
      CHECK(together[i].text == alone.text);
      CHECK(together[i].finished == alone.finished);
      CHECK(together[i].source_tokens == alone.source_tokens);
      CHECK(together[i].weights.empty());
    }
  }
}

TEST_CASE("a batch holds the ids, begun and ended, and padding behind them") {
  const Translator& translator = reverser();
  const Batch batch = translator.batch({{"ab", "dcba"}, {"dcx", "a"}});
  const auto id = [&](const char* token) { return translator.source().id(token); };
  const auto out = [&](const char* token) { return translator.target().id(token); };
  using Ids = std::vector<std::int64_t>;
  CHECK(batch.source.shape() == Shape{2, 3});
  CHECK(batch.source.to_vector<std::int64_t>() ==
        Ids{id("a"), id("b"), 0, id("d"), id("c"), Vocabulary::unknown});
  CHECK(batch.source_lengths.to_vector<std::int64_t>() == Ids{2, 3});
  CHECK(batch.target_in.to_vector<std::int64_t>() ==
        Ids{1, out("d"), out("c"), out("b"), out("a"), 1, out("a"), 0, 0, 0});
  CHECK(batch.target_out.to_vector<std::int64_t>() ==
        Ids{out("d"), out("c"), out("b"), out("a"), 2, out("a"), 2, 0, 0, 0});
}

TEST_CASE("an evaluation is the metrics of the translations") {
  const std::vector<Pair> unseen = random_pairs(100);
  const Evaluation evaluation = reverser().evaluate(unseen, {.max_length = 12});
  std::vector<data::TokenSequence> hypotheses, references;
  double total = 0;
  std::size_t tokens = 0;
  for (const Pair& pair : unseen) {
    hypotheses.push_back(reverser().translate(pair.source, {.max_length = 12}).target_tokens);
    references.push_back(tokenize(pair.target, Tokens::character));
    const Batch alone = reverser().batch({pair});
    const NoGrad no_grad;
    total += cross_entropy(reverser().model().forward(alone), alone.target_out, Vocabulary::pad, 0,
                           Reduction::sum)
                 .item();
    tokens += pair.target.size() + 1;
  }
  CHECK(evaluation.pairs == 100);
  CHECK(evaluation.exact_match == data::exact_match(hypotheses, references));
  CHECK(evaluation.token_accuracy == data::token_accuracy(hypotheses, references));
  const double perplexity = std::exp(total / static_cast<double>(tokens));
  CHECK(evaluation.perplexity == doctest::Approx(perplexity).epsilon(1e-5));
  CHECK(evaluation.bleu == 0);
}

TEST_CASE("a model that knows the known_pairs by heart has a perfect evaluation") {
  const Evaluation evaluation = trained(word_pairs, Tokens::word).evaluate(word_pairs);
  CHECK(evaluation.exact_match == 1);
  CHECK(evaluation.token_accuracy == 1);
  CHECK(evaluation.perplexity == doctest::Approx(1).epsilon(0.1));
  CHECK(evaluation.perplexity > 1);
  CHECK(evaluation.bleu == doctest::Approx(100));
}

TEST_CASE("there is nothing to evaluate without pairs") {
  CHECK_THROWS_AS(reverser().evaluate(std::vector<Pair>{}), Error);
}

TEST_CASE("a translator from a checkpoint is the one it was made of, in evaluation mode") {
  const Checkpoint checkpoint = checkpoint_of(reverser());
  const Translator translator(checkpoint);
  CHECK(!translator.model().training());
  for (const Pair& pair : random_pairs(10)) {
    const Translation here = translator.translate(pair.source);
    const Translation there = reverser().translate(pair.source);
    CHECK(here.text == there.text);
    CHECK(here.log_probability == there.log_probability);
  }
}

TEST_CASE("a checkpoint whose parts do not fit is refused") {
  Checkpoint checkpoint = checkpoint_of(reverser());
  checkpoint.target_vocabulary.push_back("z");
  CHECK_THROWS_WITH_AS(Translator{checkpoint},
                       "the model was made for 8 target tokens, but the vocabulary has 9", Error);
  checkpoint = checkpoint_of(reverser());
  checkpoint.parameters.pop_back();
  CHECK_THROWS_WITH_AS(Translator{checkpoint}, doctest::Contains("is missing"), Error);
  checkpoint = checkpoint_of(reverser());
  checkpoint.source_vocabulary[1] = "<begin>";
  CHECK_THROWS_WITH_AS(Translator{checkpoint}, doctest::Contains("special tokens"), Error);
}

TEST_CASE("a source may be of characters and its target of words") {
  const std::vector<Pair> sounds{{"ab", "EY B"}, {"a", "EY"}, {"ba", "B EY"}};
  const Translator translator = trained(sounds, {Tokens::character, Tokens::word});
  const Translation translation = translator.translate("ab");
  CHECK(translation.source_tokens == std::vector<std::string>{"a", "b"});
  CHECK(translation.target_tokens == std::vector<std::string>{"EY", "B"});
  CHECK(translation.text == "EY B");
  CHECK(translator.batch(sounds).target_in.shape() == Shape{3, 3});
}

TEST_CASE("a translation is judged by the right target that it comes closest to") {
  const Pair pair{"abc", "cb", {"cba", "x"}};
  const Evaluation evaluation = reverser().evaluate({pair, {"d", "x", {"xy"}}});
  CHECK(evaluation.exact_match == 0.5);
  CHECK(evaluation.token_error_rate == doctest::Approx(1.0 / 4));
  CHECK(reverser().is_right(reverser().translate("abc"), pair));
  CHECK_FALSE(reverser().is_right(reverser().translate("ab"), pair));
}
