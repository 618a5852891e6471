#pragma once
// `seq2seq evaluate`: how well a model translates pairs it has not seen.

#include <CLI/CLI.hpp>

namespace seq2seq {

// Adds the command, which runs once `app` has parsed it.
void add_evaluate_command(CLI::App& app);

}  // namespace seq2seq
