#pragma once
// Runs the built program as a user does, from a shell in a folder of its own.

#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "tests/folder.h"

struct Outcome {
  int status = -1;  // the exit status; -1 if a signal ended the program
  std::string out;
  std::string err;
};

class Sandbox : public Folder {
 public:
  // Runs `seq2seq ARGUMENTS`, which may be quoted and redirected as a shell allows.
  Outcome run(const std::string& arguments) const { return run(ATTUNE_SEQ2SEQ, arguments); }
  Outcome run(const std::string& program, const std::string& arguments) const {
    const std::string command =
        "cd '" + path() + "' && '" + program + "' >.out 2>.err </dev/null " + arguments;
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(".out"), read(".err")};
  }
};
