#include "examples/seq2seq/decoding.h"

#include <fmt/format.h>

#include <filesystem>

#include "autograd/error.h"
#include "examples/seq2seq/options.h"

namespace seq2seq {

namespace nn = attune::nn;
using attune::Error;

void add_decoding_options(CLI::App& command, Decoding& decoding) {
  command.add_option("-m,--model", decoding.model, "The checkpoint that `seq2seq train` made")
      ->type_name("FILE")
      ->capture_default_str();
  command
      .add_option("-b,--beam", decoding.beam,
                  "Keep the N best beginnings of an answer; 1 takes the likeliest token each time")
      ->type_name("N")
      ->check(whole_number(1, 1000))
      ->capture_default_str();
  command
      .add_option("--length-penalty", decoding.length_penalty,
                  "The higher, the longer the answers that win among the beam's")
      ->type_name("A")
      ->check(number(0, 10))
      ->capture_default_str();
  command
      .add_option("--max-length", decoding.max_length,
                  "Cut answers off after N tokens [twice the longest trained on]")
      ->type_name("N")
      ->check(whole_number(1, 100000));
}

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
