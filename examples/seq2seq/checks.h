#pragma once
// Option values that make no sense are refused with a sentence that says which would.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace seq2seq {

// Says in a sentence what is wrong with a text, or nothing if it will do.
using Check = std::function<std::string(const std::string&)>;

// A whole number from `least` to `most`.
Check whole_number(std::int64_t least, std::int64_t most);
// A number from `least` to `most`.
Check number(double least, double most);
// The name of a file, which a checkpoint can remember only as UTF-8.
Check file_name();
// One of `names`.
Check one_of(std::vector<std::string> names);

}  // namespace seq2seq
