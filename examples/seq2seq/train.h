#pragma once
// `seq2seq train`: learns dates, or pairs of the user's own, and leaves a checkpoint.

#include <CLI/CLI.hpp>

namespace seq2seq {

// Adds the command, which runs once `app` has parsed it.
void add_train_command(CLI::App& app);

}  // namespace seq2seq
