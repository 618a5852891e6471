#include "examples/seq2seq/scores.h"

#include <fmt/format.h>

#include <cmath>

#include "examples/seq2seq/progress.h"

namespace seq2seq {

using attune::nn::Evaluation;

namespace {

double word_error_rate(const Evaluation& evaluation) {
  return 100 * (1 - evaluation.exact_match);
}

double phoneme_error_rate(const Evaluation& evaluation) {
  return 100 * evaluation.token_error_rate;
}

}  // namespace

Measure measure_of(const std::string& task, attune::data::Tokens target) {
  if (task == "pronounce") return Measure::error_rates;
  const bool translation = task != "dates" && task != "scan";
  return translation && target == attune::data::Tokens::word ? Measure::bleu : Measure::exact;
}

std::string in_brief(const Evaluation& evaluation, Measure measure) {
  const std::string perplexity = fmt::format("perplexity {:.4g}", evaluation.perplexity);
  if (measure == Measure::error_rates) {
    return fmt::format("WER {:.2f} %  PER {:.2f} %  {}", word_error_rate(evaluation),
                       phoneme_error_rate(evaluation), perplexity);
  }
  const std::string right =
      fmt::format("{:.1f} % right  {}", 100 * evaluation.exact_match, perplexity);
  return measure == Measure::bleu ? fmt::format("{}  BLEU {:.1f}", right, evaluation.bleu) : right;
}

std::string in_a_sentence(const Evaluation& evaluation, Measure measure) {
  const double right = evaluation.exact_match * static_cast<double>(evaluation.pairs);
  std::string sentence = fmt::format(
      "{} of {} exactly right ({:.2f} %), {:.2f} % of the tokens, perplexity {:.4g}",
      grouped(std::llround(right)), grouped(evaluation.pairs), 100 * evaluation.exact_match,
      100 * evaluation.token_accuracy, evaluation.perplexity);
  if (measure == Measure::bleu) sentence += fmt::format(", BLEU {:.1f}", evaluation.bleu);
  if (measure == Measure::error_rates) {
    sentence += fmt::format(", WER {:.2f} %, PER {:.2f} %", word_error_rate(evaluation),
                            phoneme_error_rate(evaluation));
  }
  return sentence;
}

std::string as_table(const Evaluation& evaluation, Measure measure) {
  std::string lines;
  const auto line = [&](const char* what, const std::string& value) {
    lines += fmt::format("{:<16}{:>10}\n", what, value);
  };
  line("pairs", grouped(static_cast<std::int64_t>(evaluation.pairs)));
  line("exact match", fmt::format("{:.2f} %", 100 * evaluation.exact_match));
  line("token accuracy", fmt::format("{:.2f} %", 100 * evaluation.token_accuracy));
  line("perplexity", fmt::format("{:.4f}", evaluation.perplexity));
  if (measure == Measure::bleu) line("BLEU", fmt::format("{:.2f}", evaluation.bleu));
  if (measure == Measure::error_rates) {
    line("WER", fmt::format("{:.2f} %", word_error_rate(evaluation)));
    line("PER", fmt::format("{:.2f} %", phoneme_error_rate(evaluation)));
  }
  return lines;
}

}  // namespace seq2seq
