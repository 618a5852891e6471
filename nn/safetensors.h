#pragma once
// The safetensors container: named tensors and a few strings in one file that any safetensors
// library reads. It begins with the length of a JSON header, which tells where in the rest each
// tensor lies.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "autograd/tensor.h"

namespace attune::nn {

struct SafeTensors {
  std::vector<std::pair<std::string, Tensor>> tensors;  // F32, F64, I64 or BOOL
  std::map<std::string, std::string> metadata;
};

// Replaces the file whole or not at all: a kill at any moment leaves the old or the new one. Error,
// with the old file untouched, when it cannot be written.
void save_safetensors(const std::string& path, const SafeTensors& contents);

// The tensors in the order of the header. Error when the file cannot be read, is cut short, or is
// not such a container in every detail.
SafeTensors load_safetensors(const std::string& path);

}  // namespace attune::nn
