#pragma once
// `seq2seq translate`: answers for texts given as arguments or line by line on stdin.

#include <cstdint>
#include <string>
#include <vector>

#include "examples/seq2seq/decoding.h"

namespace seq2seq {

struct TranslateOptions {
  Decoding decoding;
  std::vector<std::string> texts;  // empty: stdin
  std::int64_t candidates = 1;
  std::int64_t max_source = 0;  // tokens; 0: what the training data suggests
  bool scores = false;
  std::string attention;  // the picture's file, "terminal", or empty for no picture
  bool allow_unknown = false;
};

void translate(const TranslateOptions& options);

}  // namespace seq2seq
