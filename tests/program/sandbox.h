#pragma once
// Runs the built program as a user does, from a shell in a folder of its own.

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

struct Outcome {
  int status = -1;  // the exit status; -1 if a signal ended the program
  std::string out;
  std::string err;
};

class Sandbox {
 public:
  Sandbox() {
    std::string name = (std::filesystem::temp_directory_path() / "attune-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  ~Sandbox() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  void write(const std::string& name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
  }

  std::string read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // Runs `seq2seq ARGUMENTS`, which may be quoted and redirected as a shell allows.
  Outcome run(const std::string& arguments) const { return run(ATTUNE_SEQ2SEQ, arguments); }
  Outcome run(const std::string& program, const std::string& arguments) const {
    const std::string command =
        "cd '" + folder_.string() + "' && '" + program + "' >.out 2>.err </dev/null " + arguments;
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(".out"), read(".err")};
  }

 private:
  std::filesystem::path folder_;
};
