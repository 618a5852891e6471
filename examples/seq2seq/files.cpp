#include "examples/seq2seq/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "autograd/error.h"

namespace seq2seq {
namespace {

// 0, or the error's number.
int write_file(const std::string& path, std::string_view content) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return errno;
  errno = 0;
  const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
  const int error = written ? 0 : errno;
  // What is buffered may fail to be written only now.
  return std::fclose(file) == 0 ? error : errno;
}

}  // namespace

void replace_file(const std::string& path, std::string_view content) {
  const std::string trial = path + ".part";
  int error = write_file(trial, content);
  if (error == 0 && std::rename(trial.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return;
  std::remove(trial.c_str());
  throw attune::Error(fmt::format("{}: cannot be written: {}.", path, std::strerror(error)));
}

}  // namespace seq2seq
