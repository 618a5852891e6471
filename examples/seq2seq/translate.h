#pragma once
// `seq2seq translate`: answers for texts given as arguments or line by line on stdin.

#include <CLI/CLI.hpp>

namespace seq2seq {

// Adds the command, which runs once `app` has parsed it.
void add_translate_command(CLI::App& app);

}  // namespace seq2seq
