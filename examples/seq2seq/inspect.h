#pragma once
// `seq2seq inspect`: what is in a checkpoint.

#include <CLI/CLI.hpp>

namespace seq2seq {

// Adds the command, which runs once `app` has parsed it.
void add_inspect_command(CLI::App& app);

}  // namespace seq2seq
