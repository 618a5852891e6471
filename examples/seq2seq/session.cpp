#include "examples/seq2seq/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "autograd/error.h"
#include "examples/seq2seq/console.h"
#include "examples/seq2seq/signals.h"
#include "nn/data/display_width.h"
#include "nn/data/utf8.h"

namespace seq2seq {

namespace data = attune::data;
namespace nn = attune::nn;
using attune::Error;

namespace {

// The beginning of a text, as far as a line has room for it, without what would move the cursor.
std::string shortened(const std::string& text) {
  constexpr std::size_t columns = 60;
  std::string result;
  std::size_t width = 0;
  for (const std::string& character : data::characters(text)) {
    width += data::display_width(character);
    if (width > columns) return result + "...";
    if (data::first_character(character).code_point >= ' ') result += character;
  }
  return result;
}

std::string sample_line(const data::Pair& pair, const std::string& answer, bool right) {
  const char* const mark = right ? "right" : "wrong";
  const std::string shown =
      shows_colours() ? fmt::format("\x1b[{}m{}\x1b[0m", right ? 32 : 31, mark) : mark;
  std::string line =
      fmt::format("  {}  {} -> {}", shown, shortened(pair.source), shortened(answer));
  if (!right) line += fmt::format("  (not {})", shortened(pair.target));
  return line;
}

// The step that a run ends with at the latest; 0 if that is open.
std::int64_t last_step(const nn::TrainingLimits& limits, const nn::Trainer& trainer) {
  const std::int64_t of_epochs = limits.epochs * trainer.steps_per_epoch();
  if (limits.steps == 0 || of_epochs == 0) return limits.steps + of_epochs;
  return std::min(limits.steps, of_epochs);
}

}  // namespace

nn::Ending Session::run(const nn::TrainingLimits& limits) {
  const StopRequests requests;
  Progress progress(trainer_.steps(), last_step(limits, trainer_), options_.quiet);
  const auto observe = [&](const nn::StepReport& report, const nn::Validation* validation) {
    progress.update(report);
    if (validation != nullptr) show(*validation, progress);
    signal_ = requests.received();
    if (signal_ != 0) return false;
    if (report.step % options_.save_every == 0) save(progress);
    return true;
  };
  return trainer_.run(limits, observe);
}

void Session::show(const nn::Validation& validation, Progress& progress) const {
  if (options_.quiet) return;
  progress.print(
      fmt::format("{}  {}", progress.status(), in_brief(validation.evaluation, options_.measure)));
  std::vector<std::string> sources;
  for (const data::Pair& pair : samples_) sources.push_back(pair.source);
  nn::DecodeOptions options;
  options.max_length = options_.max_length;
  const auto averaged = trainer_.averaged();
  const std::vector<nn::Translation> answers = translator_.translate_all(sources, options);
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    const bool right = translator_.is_right(answers[i], samples_[i]);
    progress.print(sample_line(samples_[i], answers[i].text, right));
  }
}

// A failure is no reason to end the training: what is to be saved is in memory, and there will be
// another attempt.
void Session::save(Progress& progress) {
  try {
    output_.save(checkpoint());
  } catch (const Error& error) {
    progress.warn(fmt::format("{} Training goes on, and will be saved again after {} steps.",
                              error.what(), options_.save_every));
  }
}

nn::Checkpoint Session::checkpoint() const {
  nn::Checkpoint checkpoint = description_;
  checkpoint.parameters = trainer_.best();
  checkpoint.training = trainer_.state();
  return checkpoint;
}

}  // namespace seq2seq
