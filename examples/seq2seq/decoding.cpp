#include "examples/seq2seq/decoding.h"

#include <fmt/format.h>

#include <filesystem>

#include "autograd/error.h"

namespace seq2seq {

namespace nn = attune::nn;
using attune::Error;

nn::DecodeOptions decode_options(const Decoding& decoding, const nn::Checkpoint& checkpoint) {
  nn::DecodeOptions options;
  options.beam = decoding.beam;
  options.length_penalty = decoding.length_penalty;
  if (decoding.max_length > 0) {
    options.max_length = decoding.max_length;
  } else if (checkpoint.longest_target > 0) {
    options.max_length = 2 * checkpoint.longest_target;
  }
  return options;
}

nn::Checkpoint open_model(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    throw Error(fmt::format(
        "{}: there is no such file; make it with `seq2seq train`, or name another model", path));
  }
  return nn::load_checkpoint(path);
}

nn::Translator make_translator(const nn::Checkpoint& checkpoint, const std::string& path) {
  try {
    return nn::Translator(checkpoint);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace seq2seq
