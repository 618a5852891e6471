#include "examples/seq2seq/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string_view>

#include "autograd/kernels/parallel.h"
#include "autograd/random.h"
#include "examples/seq2seq/decoding.h"
#include "examples/seq2seq/output.h"
#include "examples/seq2seq/run_folder.h"
#include "examples/seq2seq/session.h"
#include "examples/seq2seq/settings.h"
#include "examples/seq2seq/signals.h"
#include "examples/seq2seq/task.h"
#include "nn/trainer.h"

namespace seq2seq {
namespace {

namespace data = attune::data;
namespace nn = attune::nn;
using attune::Error;

// The checkpoint that is written where --out names none.
std::string default_output(const Settings& settings) {
  if (settings.task() != "pairs") return settings.task() + ".safetensors";
  return std::filesystem::path(settings.text("data")).stem().string() + ".safetensors";
}

// The checkpoint to go on from; empty if the training is a new one.
std::string resumed_file(const TrainOptions& options) {
  if (!options.resume) return "";
  if (!options.resume_file.empty()) return options.resume_file;
  return options.out.empty() ? default_output(options.settings) : options.out;
}

nn::Seq2SeqOptions model_options(const Settings& settings, const Task& task) {
  nn::Seq2SeqOptions options;
  options.source_vocabulary = static_cast<std::int64_t>(task.source.size());
  options.target_vocabulary = static_cast<std::int64_t>(task.target.size());
  options.embedding = settings.whole("embedding");
  options.hidden = settings.whole("hidden");
  options.attention_size = options.hidden;
  options.layers = settings.whole("layers");
  options.dropout = settings.real("dropout");
  options.architecture = nn::architecture_by_name(settings.text("model"));
  options.attention = nn::attention_by_name(settings.text("attention"));
  options.attending = nn::attending_by_name(settings.text("attend"));
  options.heads = settings.whole("heads");
  options.feedforward = settings.whole("feedforward");
  return options;
}

nn::TrainerOptions trainer_options(const Settings& settings, const Task& task) {
  nn::TrainerOptions options;
  options.seed = static_cast<std::uint64_t>(settings.whole("seed"));
  options.batch = settings.whole("batch");
  options.learning_rate = settings.real("lr");
  options.warmup = settings.whole("warmup");
  options.clip = settings.real("clip");
  options.label_smoothing = settings.real("label-smoothing");
  options.scheduled_sampling = settings.real("scheduled-sampling");
  if (settings.task() != "pairs") options.best_by = nn::Criterion::exact_match;
  options.average = settings.real("average");
  if (settings.text("schedule") == "cosine") {
    options.schedule = nn::RateSchedule::cosine;
    options.cosine_steps = settings.whole("steps");
    if (options.cosine_steps == 0) {
      throw Error("--schedule cosine: needs --steps, at which the rate has fallen to its end");
    }
  }
  options.validate_every = settings.whole("validate-every");
  options.plateau.patience = 1;
  options.max_length = 2 * task.longest_target;
  return options;
}

nn::TrainingLimits training_limits(const Settings& settings) {
  return {settings.whole("steps"), settings.whole("epochs"), settings.whole("patience"),
          settings.real("stop-at") / 100};
}

// Everything a checkpoint says but the parameters and the state of training.
nn::Checkpoint description(const Settings& settings, const Task& task,
                           const nn::Seq2SeqOptions& options) {
  nn::Checkpoint checkpoint;
  checkpoint.options = options;
  checkpoint.tokens = task.tokens;
  checkpoint.source_vocabulary = task.source.tokens();
  checkpoint.target_vocabulary = task.target.tokens();
  checkpoint.longest_source = task.longest_source;
  checkpoint.longest_target = task.longest_target;
  checkpoint.task = settings.all();
  return checkpoint;
}

std::string kinds_of_tokens(const Settings& settings) {
  const std::string &source = settings.text("tokens"), &target = settings.text("target-tokens");
  return source == target ? source : source + " and " + target;
}

// What is learned, as the rest of a sentence.
std::string subject(const Settings& settings) {
  if (settings.task() == "dates") return "to read dates";
  if (settings.task() == "scan") return fmt::format("SCAN, the {} split", settings.text("split"));
  const std::string& file = settings.text("data");
  if (settings.task() == "pairs") return file;
  return file.empty() ? "to pronounce English words" : "to pronounce the words of " + file;
}

// The folder to record the training in; empty for none.
std::string run_folder(const TrainOptions& options, const std::string& checkpoint) {
  if (options.run == "none") return "";
  if (!options.run.empty()) return options.run;
  return std::filesystem::path(checkpoint).replace_extension(".run").string();
}

// What a report says from the beginning on.
Report report_of(const Settings& settings, const Task& task, const nn::Seq2Seq& model) {
  Report report;
  report.title = "Learning " + subject(settings);
  report.measure = task.measure;
  report.remarks = {"Training goes on, and this page changes with every validation."};
  report.settings.assign(settings.all().begin(), settings.all().end());
  report.settings.emplace_back("pairs to train with", grouped(task.train.size()));
  report.settings.emplace_back("pairs to validate", grouped(task.valid.size()));
  report.settings.emplace_back("pairs to test", grouped(task.test.size()));
  report.settings.emplace_back("parameters", grouped(model.parameter_count()));
  report.settings.emplace_back("source tokens", grouped(task.source.size()));
  report.settings.emplace_back("target tokens", grouped(task.target.size()));
  return report;
}

// A few pairs from all over the set, always the same.
std::vector<data::Pair> choose_samples(const std::vector<data::Pair>& pairs) {
  constexpr std::size_t most = 4;
  const std::size_t count = std::min(most, pairs.size());
  std::vector<data::Pair> samples;
  for (std::size_t i = 0; i < count; ++i) samples.push_back(pairs[i * pairs.size() / count]);
  return samples;
}

// The ids that the model was trained with.
void take_vocabularies(const nn::Checkpoint& checkpoint, Task& task) {
  task.source = data::Vocabulary::from_tokens(checkpoint.source_vocabulary);
  task.target = data::Vocabulary::from_tokens(checkpoint.target_vocabulary);
  task.longest_source = checkpoint.longest_source;
  task.longest_target = checkpoint.longest_target;
}

// Makes the trainer go on where the checkpoint in `file` left off.
void restore(nn::Trainer& trainer, const nn::Checkpoint& checkpoint, const std::string& file) {
  if (!checkpoint.training) {
    throw Error(
        fmt::format("{}: holds a model, but not the state of its training; there is nothing "
                    "to resume",
                    file));
  }
  try {
    trainer.restore(checkpoint.parameters, *checkpoint.training);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", file, error.what()));
  }
}

void introduce(const Settings& settings, const Task& task, const nn::Trainer& trainer,
               const nn::Seq2Seq& model, const Output& output) {
  fmt::print("Learning {}: {} pairs to train with, {} to validate{}.\n", subject(settings),
             grouped(task.train.size()), grouped(task.valid.size()),
             task.test.empty() ? "" : fmt::format(", {} to test", grouped(task.test.size())));
  if (task.left_out > 0) {
    fmt::print("{} pairs have more than {} tokens on a side and are left out (--max-length).\n",
               grouped(task.left_out), settings.text("max-length"));
  }
  fmt::print("The model has {} parameters, and {} source and {} target tokens ({}).\n",
             grouped(model.parameter_count()), grouped(task.source.size()),
             grouped(task.target.size()), kinds_of_tokens(settings));
  if (!output.kept().empty()) {
    fmt::print("The earlier {} is kept as {}.\n", output.path(), output.kept());
  }
  if (trainer.steps() > 0) fmt::print("Going on after step {}.\n", grouped(trainer.steps()));
  fmt::print("The checkpoint is {}; Ctrl-C saves it and stops.\n\n", output.path());
  std::fflush(stdout);
}

// Why training ended.
std::string reason(nn::Ending ending, const Settings& settings) {
  switch (ending) {
    case nn::Ending::steps:
      return fmt::format("All {} steps are done (--steps)", grouped(settings.whole("steps")));
    case nn::Ending::epochs:
      return fmt::format("All {} epochs are done (--epochs)", grouped(settings.whole("epochs")));
    case nn::Ending::patience:
      return fmt::format("{} validations in a row brought nothing better (--patience)",
                         settings.text("patience"));
    case nn::Ending::exact_match:
      return fmt::format("Two validations in a row had {} % right (--stop-at)",
                         settings.text("stop-at"));
    case nn::Ending::stopped:
      break;
  }
  return "Stopped";
}

// How well the best parameters do: on what neither training nor validation has seen, or on the
// user's validation pairs.
std::string test_result(const nn::Checkpoint& checkpoint, const Task& task,
                        const std::string& name) {
  const nn::Translator translator(checkpoint);
  const bool test = !task.test.empty();
  nn::DecodeOptions options;
  options.max_length = 2 * task.longest_target;
  options.keep_weights = false;
  const nn::Evaluation result = translator.evaluate(test ? task.test : task.valid, options);
  const char* const tested = name == "dates" ? "dates" : name == "pronounce" ? "words" : "commands";
  return fmt::format("{}: {}.",
                     test ? fmt::format("Test on unseen {}", tested) : "Validation of the best",
                     in_a_sentence(result, task.measure));
}

// A word of a shell's command line.
std::string quoted(const std::string& text) {
  constexpr std::string_view harmless =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=,./:@%";
  if (text.find_first_not_of(harmless) == std::string::npos) return text;
  if (text.find_first_of("\"$`\\!") == std::string::npos) return '"' + text + '"';
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

void suggest_next(const std::string& program, const Settings& settings, const Task& task,
                  const std::string& file, const RunFolder& folder) {
  const std::string start = "  " + quoted(program);
  const std::string model = file == default_model ? "" : " --model " + quoted(file);
  const std::string source =
      settings.task() == "dates" ? "the 3rd of may '94" : task.valid.front().source;
  // What begins with a dash would be taken for an option.
  const std::string text = (source.starts_with('-') ? "-- " : "") + quoted(source);
  fmt::print("The model is in {}{}. Next:\n", file,
             folder.on() ? ", pictures are in " + folder.page() : "");
  fmt::print("{} translate{} {}\n", start, model, text);
  fmt::print("{} translate{} --attention {}\n", start, model, text);
  fmt::print("{} evaluate{}{}\n", start, model, settings.task() == "pairs" ? " --data PAIRS" : "");
  fmt::print("{} inspect{}\n", start, file == default_model ? "" : " " + quoted(file));
  if (settings.task() == "dates")
    fmt::print("{} train --data pairs.tsv    # your own: source TAB target\n", start);
}

void say_how_to_resume(const std::string& program, const nn::Trainer& trainer,
                       const std::string& file) {
  fmt::print("Stopped after step {} and saved. To go on:\n  {} train --resume{}\n",
             grouped(trainer.steps()), quoted(program),
             file == default_model ? "" : " " + quoted(file));
}

// Where the checkpoint goes.
std::string output_file(const TrainOptions& options, const Settings& settings,
                        const std::string& resumed) {
  if (!options.out.empty()) return options.out;
  return resumed.empty() ? default_output(settings) : resumed;
}

// Says what became of the training.
void conclude(const TrainOptions& options, const Settings& settings, const Task& task,
              nn::Ending ending, const nn::Trainer& trainer, Session& session, bool idle) {
  const double epochs =
      static_cast<double>(trainer.steps()) / static_cast<double>(trainer.steps_per_epoch());
  const std::string end =
      fmt::format("{}: {} steps, {:.1f} epochs, {}.", reason(ending, settings),
                  grouped(trainer.steps()), epochs, clock_time(trainer.seconds()));
  fmt::print("{}{}\n", options.quiet ? "" : "\n", end);
  if (idle) fmt::print("There was nothing left to do; allow more to go on.\n");
  const std::string result = test_result(session.checkpoint(), task, settings.task());
  fmt::print("{}\n", result);
  session.conclude({end, result});
}

}  // namespace

int train(const TrainOptions& options) {
  Settings settings = options.settings;
  if (options.threads > 0) attune::set_num_threads(static_cast<int>(options.threads));
  std::optional<nn::Checkpoint> earlier;
  const std::string resumed = resumed_file(options);
  if (!resumed.empty()) {
    earlier = open_model(resumed);
    settings.resume(earlier->task, resumed);
  }
  settings.choose_defaults();
  Task task = load_task(settings);
  settings.choose_interval(static_cast<std::int64_t>(task.train.size()));
  if (earlier) take_vocabularies(*earlier, task);

  attune::manual_seed(static_cast<std::uint64_t>(settings.whole("seed")));
  const nn::Seq2Seq model(earlier ? earlier->options : model_options(settings, task));
  const nn::Translator translator(model, task.tokens, task.source, task.target);
  nn::Trainer trainer(translator, task.train, task.valid, trainer_options(settings, task));
  if (earlier) restore(trainer, *earlier, resumed);

  const std::string file = output_file(options, settings, resumed);
  Output output(file, file == resumed);
  RunFolder folder(run_folder(options, file), report_of(settings, task, model),
                   std::max<std::int64_t>(settings.whole("validate-every") / 10, 1));
  Session session(trainer, translator, description(settings, task, model.options()), output, folder,
                  {options.save_every, 2 * task.longest_target, task.measure, options.quiet});
  session.show_samples(choose_samples(task.valid));
  nn::Checkpoint largest = session.checkpoint();  // the newest parameters beside the best
  largest.training->parameters = largest.parameters;
  output.prove(largest);
  if (!options.quiet) introduce(settings, task, trainer, model, output);

  const std::int64_t before = trainer.steps();
  const nn::Ending ending = session.run(training_limits(settings));
  output.save_at_last(session.checkpoint());
  if (ending == nn::Ending::stopped) {
    session.conclude({fmt::format("Stopped after step {}.", grouped(trainer.steps()))});
    say_how_to_resume(options.program, trainer, output.path());
    return 128 + session.signal();
  }
  conclude(options, settings, task, ending, trainer, session, trainer.steps() == before);
  if (!options.quiet) suggest_next(options.program, settings, task, output.path(), folder);
  return 0;
}

}  // namespace seq2seq
