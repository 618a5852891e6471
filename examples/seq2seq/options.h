#pragma once
// Option values that make no sense are refused with a sentence that says which would.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace seq2seq {

// A whole number from `least` to `most`.
CLI::Validator whole_number(std::int64_t least, std::int64_t most);
// A number from `least` to `most`.
CLI::Validator number(double least, double most);
// One of `names`.
CLI::Validator one_of(std::vector<std::string> names);

}  // namespace seq2seq
