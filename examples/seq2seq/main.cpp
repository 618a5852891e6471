// seq2seq: learns to translate pairs of texts with an attention model, and translates. A failure is
// one sentence on stderr and an exit status: 1 where something went wrong, 2 where the command line
// makes no sense.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "autograd/error.h"
#include "examples/seq2seq/checks.h"
#include "examples/seq2seq/console.h"
#include "examples/seq2seq/evaluate.h"
#include "examples/seq2seq/inspect.h"
#include "examples/seq2seq/train.h"
#include "examples/seq2seq/translate.h"

namespace {

using namespace seq2seq;

void fail(const char* sentence) {
  fmt::print(stderr, "seq2seq: {}\n", sentence);
}

CLI::Validator validator(const Check& check) {
  return {[check](const std::string& text) { return check(text); }, ""};
}

// The options of `train` that its checkpoint remembers.
void add_settings(CLI::App& command, Settings& settings) {
  for (const Setting& setting : all_settings()) {
    const auto give = [&settings, &setting](const std::string& value) {
      settings.give(setting.name, value);
    };
    command.add_option_function<std::string>("--" + setting.name, give, describe(setting))
        ->check(validator(setting.check))
        ->type_name(setting.type)
        ->default_str(setting.value)
        ->take_last()
        ->group(setting.group);
  }
}

void add_train_command(CLI::App& app, int& status) {
  CLI::App* const command =
      app.add_subcommand("train", "Learn dates, pronunciation, SCAN, or pairs of your own");
  const auto options = std::make_shared<TrainOptions>();
  add_settings(*command, options->settings);
  command
      ->add_option("-o,--out", options->out,
                   "The checkpoint to write [named after the task, or --data]")
      ->type_name("FILE");
  const CLI::Option* const resume =
      command
          ->add_option("--resume", options->resume_file,
                       "Go on with a training that was interrupted, with its own options [--out]")
          ->type_name("[FILE]")
          ->expected(0, 1);
  command
      ->add_option(
          "--run", options->run,
          "The folder for config.json, metrics.jsonl and report.html, or none [named after "
          "the checkpoint: dates.run]")
      ->type_name("DIR");
  command->add_option("--save-every", options->save_every, "Steps between savings")
      ->type_name("N")
      ->check(validator(whole_number(1, 1000000000)))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "[all cores]; changes no result")
      ->type_name("N")
      ->take_last()
      ->check(validator(whole_number(1, 1024)));
  command->add_flag("-q,--quiet", options->quiet, "Print the result only");
  command->footer(
      "Without --data it learns to read dates as people write them, from 1900 to 2099:\n"
      "  tuesday, 3rd of may 1994 -> 1994-05-03\n"
      "--task pronounce learns to say English words, from the dictionary that\n"
      "`sudo apt-get install pocketsphinx-en-us` installs, or from --data in its format:\n"
      "  abated AH B EY T IH D\n"
      "--task scan learns the commands of Lake & Baroni (2018):\n"
      "  jump left twice -> I_TURN_LEFT I_JUMP I_TURN_LEFT I_JUMP\n\n"
      "Ctrl-C saves and stops; --resume then goes on to the very model that an uninterrupted\n"
      "training makes. The checkpoint holds the parameters that validated best.\n"
      "report.html shows curves, sample translations and attention, anew at every validation.\n\n"
      "  seq2seq train\n"
      "  seq2seq train --task pronounce\n"
      "  seq2seq train --data pairs.tsv --tokens word --min-count 2 --out mine.safetensors\n"
      "  seq2seq train --resume mine.safetensors --steps 20000");
  command->callback([&app, &status, resume, options] {
    options->resume = resume->count() > 0;
    options->program = app.get_name();
    status = train(*options);
  });
}

void add_decoding_options(CLI::App& command, Decoding& decoding) {
  command.add_option("-m,--model", decoding.model, "The checkpoint that `seq2seq train` made")
      ->type_name("FILE")
      ->capture_default_str();
  command
      .add_option("-b,--beam", decoding.beam,
                  "Keep the N best beginnings of an answer; 1 takes the likeliest token each time")
      ->type_name("N")
      ->check(validator(whole_number(1, 1000)))
      ->capture_default_str();
  command
      .add_option("--length-penalty", decoding.length_penalty,
                  "The higher, the longer the answers that win among the beam's")
      ->type_name("A")
      ->check(validator(number(0, 10)))
      ->capture_default_str();
  command
      .add_option("--max-length", decoding.max_length,
                  "Cut answers off after N tokens [twice the longest trained on]")
      ->type_name("N")
      ->check(validator(whole_number(1, 100000)));
}

void add_translate_command(CLI::App& app) {
  CLI::App* const command = app.add_subcommand(
      "translate", "Translate texts, given as arguments or line by line on stdin");
  const auto options = std::make_shared<TranslateOptions>();
  command->add_option("text", options->texts, "Texts, each an argument of its own [stdin]")
      ->type_name("TEXT");
  add_decoding_options(*command, options->decoding);
  command
      ->add_option("-n,--n-best", options->candidates,
                   "The N best answers to each text, one a line, and an empty line behind them")
      ->type_name("N")
      ->check(validator(whole_number(1, 1000)));
  command->add_flag("-s,--scores", options->scores,
                    "Before each answer its log-probability (natural) and a tab");
  command
      ->add_flag("-a{terminal},--attention{terminal}", options->attention,
                 "Below each answer a picture of where the model looked: the text along the "
                 "top, the answer down the side; --attention=FILE draws that of one text as "
                 ".html, .svg or .png")
      ->type_name("[=FILE]");
  command->add_flag("-u,--allow-unknown", options->allow_unknown,
                    "Do not complain of tokens that the model was not trained on");
  command
      ->add_option("--max-source", options->max_source,
                   "Refuse texts of more than N tokens [twice the longest trained on]")
      ->type_name("N")
      ->check(validator(whole_number(1, 1000000)));
  command->footer(
      "Line N of the output answers text N. A text that gets no answer, or a doubtful one, is\n"
      "named on stderr, and in the end the exit status is 1.\n\n"
      "  seq2seq translate --attention \"the 3rd of may '94\"\n"
      "  seq2seq translate --attention=may.svg \"the 3rd of may '94\"\n"
      "  seq2seq translate --beam 5 < texts > answers");
  command->callback([options] { translate(*options); });
}

void add_evaluate_command(CLI::App& app) {
  CLI::App* const command =
      app.add_subcommand("evaluate", "Measure a model on pairs it has not seen");
  const auto options = std::make_shared<EvaluateOptions>();
  command
      ->add_option("-d,--data", options->file,
                   "Pairs to translate: UTF-8 lines, source TAB target; pronounce: a dictionary "
                   "[what training kept apart]")
      ->type_name("FILE");
  add_decoding_options(*command, options->decoding);
  command
      ->add_option("--mistakes", options->mistakes, "Show the first N answers that are not right")
      ->type_name("N")
      ->check(validator(whole_number(0, 1000000000)));
  command->footer(
      "exact match     answers that are right in every token\n"
      "token accuracy  tokens that are right and in their place\n"
      "perplexity      e^(mean -log P of a right token, given those before it); 1 is perfect\n"
      "BLEU            corpus BLEU-4 in percent, for pairs of words\n"
      "WER             words that have none of their pronunciations\n"
      "PER             edits of phonemes to the closest pronunciation, per phoneme of it");
  command->callback([options] { evaluate(*options); });
}

void add_inspect_command(CLI::App& app) {
  CLI::App* const command = app.add_subcommand(
      "inspect", "Show a checkpoint's options, vocabularies, training and parameters");
  const auto options = std::make_shared<InspectOptions>();
  command->add_option("file", options->file, "The checkpoint")
      ->type_name("FILE")
      ->capture_default_str();
  command->add_flag("--vocabulary", options->vocabulary, "Show all tokens, with their ids");
  GraphOptions& graph = options->graph;
  CLI::Option* const file =
      command
          ->add_option("--graph", graph.file,
                       "Write the graph of one training step instead: a page to open in a browser")
          ->type_name("FILE");
  CLI::Option* const text =
      command->add_option("--text", graph.text, "The sentence of that step [the first of the test]")
          ->type_name("TEXT")
          ->needs(file);
  command->add_option("--answer", graph.answer, "What it is to be translated to [the model's own]")
      ->type_name("TEXT")
      ->needs(text);
  command->add_flag("--unrolled", graph.unrolled, "Show the decoder step by step")->needs(file);
  command->add_flag("--check", graph.check, "Hold every derivative against finite differences")
      ->needs(file);
  command->callback([options] { inspect(*options); });
}

// What is wrong with arguments that nothing takes.
std::string describe_extras(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining(true);
  if (extras.empty()) return "name a command: train, translate, evaluate or inspect";
  const auto option = std::find_if(extras.begin(), extras.end(),
                                   [](const std::string& word) { return word.starts_with('-'); });
  if (option != extras.end()) return fmt::format("there is no option {}", *option);
  return app.get_subcommands().empty()
             ? fmt::format("there is no command \"{}\"", extras.front())
             : fmt::format("nothing takes the argument \"{}\"", extras.front());
}

// Runs the command that the arguments name; the exit status.
int run(CLI::App& app, int argc, char** argv, const int& status) {
  try {
    app.parse(argc, argv);
    write_out("");
    return status;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // help was asked for
    const auto chosen = app.get_subcommands();
    const bool extras = chosen.empty() || dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr;
    fail(extras ? describe_extras(app).c_str() : error.what());
    const std::string command = chosen.empty() ? "" : " " + chosen.front()->get_name();
    fmt::print(stderr, "See {}{} --help.\n", app.get_name(), command);
    return 2;
  } catch (const std::bad_alloc&) {
    fail("there is not enough memory; try a smaller model, shorter texts or smaller batches.");
  } catch (const std::exception& error) {
    fail(error.what());
  }
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  // A file that outgrows a limit is to be an error of writing it, not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app("Learns to translate pairs of texts with an attention model.");
  int status = 0;
  add_train_command(app, status);
  add_translate_command(app);
  add_evaluate_command(app);
  add_inspect_command(app);
  app.require_subcommand(1);
  app.footer(
      "To begin with:\n"
      "  seq2seq train                             learns to read dates, in about a minute\n"
      "  seq2seq translate \"the 3rd of may '94\"\n"
      "  seq2seq translate --attention \"tuesday, 3rd of may 1994\"\n"
      "  seq2seq train --data pairs.tsv            learns pairs of your own: source TAB target\n\n"
      "Each command has a --help of its own.");
  return run(app, argc, argv, status);
}
