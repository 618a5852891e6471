// seq2seq: learns to translate pairs of texts with an attention model, and translates. A failure is
// one sentence on stderr and an exit status: 1 where something went wrong, 2 where the command line
// makes no sense.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <new>

#include "autograd/error.h"
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

// Runs the command that the arguments name; the exit status.
int run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    write_out("");
    return 0;
  } catch (const CLI::RuntimeError& error) {
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // help was asked for
    fail(error.what());
    const auto chosen = app.get_subcommands();
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
  CLI::App app("Learns to translate pairs of texts with a GRU encoder-decoder and attention.");
  add_train_command(app);
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
  return run(app, argc, argv);
}
