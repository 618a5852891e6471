#pragma once
// Where the checkpoint goes: found to be usable before training begins, and not given up on while
// there is something to save.

#include <string>

#include "nn/checkpoint.h"

namespace seq2seq {

class Output {
 public:
  // `resumed` says that what is in the file is what training goes on from.
  Output(std::string path, bool resumed) : path_(std::move(path)), replaces_own_(resumed) {}

  const std::string& path() const { return path_; }

  // Error if a checkpoint of this size cannot be written there, or would take the place of
  // something that is no checkpoint.
  void prove(const attune::nn::Checkpoint& checkpoint);
  // An earlier checkpoint that the first save() will keep under another name; empty if there is
  // none.
  const std::string& kept() const { return kept_; }

  // Error if it cannot be written now; the file is as it was.
  void save(const attune::nn::Checkpoint& checkpoint);
  // The same when there will be no later occasion. If it cannot be written the user is asked what
  // to do; where there is no user at a terminal it goes to the folder for temporary files, and an
  // Error says so.
  void save_at_last(const attune::nn::Checkpoint& checkpoint);

 private:
  std::string path_;
  std::string kept_;
  bool replaces_own_;
};

}  // namespace seq2seq
