#include "examples/seq2seq/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "autograd/error.h"

namespace seq2seq {
namespace {

namespace fs = std::filesystem;
using attune::Error;
using attune::nn::Checkpoint;

void require_checkpoint(const std::string& path) {
  try {
    attune::nn::load_checkpoint(path);
  } catch (const Error& error) {
    throw Error(
        fmt::format("{}; it will not be overwritten, name another file with --out", error.what()));
  }
}

// Keeps a file under a second name, so that it outlives the replacement of the first.
void keep_as(const std::string& path, const std::string& second) {
  std::error_code error;
  fs::remove(second, error);
  fs::create_hard_link(path, second, error);
  if (error) fs::copy_file(path, second, error);
  if (error) {
    throw Error(fmt::format("{}: cannot be kept as {}: {}.", path, second, error.message()));
  }
}

// What the user wants after a failure: another path, or the same once more.
std::string ask(const std::string& path, const char* failure) {
  fmt::print(stderr,
             "seq2seq: {}\nThe training is still in memory. Make room and press Enter, or type "
             "another file name: ",
             failure);
  std::string answer;
  if (!std::getline(std::cin, answer)) throw Error(failure);
  return answer.empty() ? path : answer;
}

// Saves in the folder for temporary files what could not be saved elsewhere.
[[noreturn]] void take_refuge(const Checkpoint& checkpoint, const char* failure) {
  std::error_code unset;
  fs::path folder = fs::temp_directory_path(unset);
  if (unset) folder = "/tmp";
  const std::string refuge = (folder / fmt::format("seq2seq-{}.safetensors", getpid())).string();
  try {
    attune::nn::save_checkpoint(refuge, checkpoint);
  } catch (const Error& second) {
    throw Error(fmt::format("{} {} What was saved before is as it was.", failure, second.what()));
  }
  throw Error(fmt::format("{} The training is in {} instead: make room, and move it back.", failure,
                          refuge));
}

}  // namespace

void Output::prove(const Checkpoint& checkpoint) {
  std::error_code error;
  if (fs::is_directory(path_, error)) {
    throw Error(fmt::format("{}: is a directory. Name a file in it with --out.", path_));
  }
  if (fs::exists(path_, error) && !replaces_own_) {
    require_checkpoint(path_);
    kept_ = path_ + ".old";
  }
  const std::string trial = fmt::format("{}.trial", path_);
  try {
    attune::nn::save_checkpoint(trial, checkpoint);
  } catch (const Error& failure) {
    throw Error(
        fmt::format("{} Nothing was trained: make room there, or name another file with "
                    "--out.",
                    failure.what()));
  }
  fs::remove(trial, error);
}

void Output::save(const Checkpoint& checkpoint) {
  if (!replaces_own_ && !kept_.empty()) keep_as(path_, kept_);
  attune::nn::save_checkpoint(path_, checkpoint);
  replaces_own_ = true;
}

void Output::save_at_last(const Checkpoint& checkpoint) {
  for (;;) {
    try {
      return save(checkpoint);
    } catch (const Error& error) {
      if (isatty(STDIN_FILENO) == 0) return take_refuge(checkpoint, error.what());
      path_ = ask(path_, error.what());
    }
  }
}

}  // namespace seq2seq
