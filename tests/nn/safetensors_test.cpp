#include "nn/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

#include "autograd/ops.h"
#include "tests/folder.h"

namespace attune::nn {
namespace {

std::string with_header(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string error_of(const std::string& path) {
  try {
    load_safetensors(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

SafeTensors every_kind() {
  return {{{"weights", tensor({{1, 2, 3}, {4, 5, 6}})},
           {"double", transpose(tensor({{1, 2}, {3, 4}}, DType::float64))},
           {"ids", tensor({7, -8}, DType::int64)},
           {"mask", gt(tensor({0, 1}), 0.5)},
           {"scalar", scalar(2.5)},
           {"none", zeros({0, 3})}},
          {{"format", "pt"}, {"text", "\"quoted\"\n\xC3\xA9"}}};
}

TEST_CASE("what is saved is loaded: names, order, dtypes, shapes, bits, metadata") {
  const Folder folder;
  const SafeTensors saved = every_kind();
  save_safetensors(folder.path("a"), saved);
  const SafeTensors loaded = load_safetensors(folder.path("a"));
  CHECK(loaded.metadata == saved.metadata);
  REQUIRE(loaded.tensors.size() == saved.tensors.size());
  for (std::size_t i = 0; i < saved.tensors.size(); ++i) {
    CHECK(loaded.tensors[i].first == saved.tensors[i].first);
    CHECK(loaded.tensors[i].second.dtype() == saved.tensors[i].second.dtype());
    CHECK(loaded.tensors[i].second.shape() == saved.tensors[i].second.shape());
    CHECK(loaded.tensors[i].second.to_vector<double>() ==
          saved.tensors[i].second.to_vector<double>());
  }
  const std::string bytes = folder.read("a");
  CHECK(bytes.find("\"weights\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}") !=
        std::string::npos);
}

TEST_CASE("each kind of damage has its sentence") {
  const Folder folder;
  const std::string path = folder.path("x");
  const auto says = [&](const std::string& bytes) {
    folder.write("x", bytes);
    return error_of(path).substr(path.size() + 2);
  };
  CHECK(says("") == "this is no safetensors file: it is too short.");
  CHECK(says("a source\ta target\n") == "this is no safetensors file.");
  CHECK(says(with_header("not json")) == "this is no safetensors file: its header is not JSON.");
  CHECK(says(with_header(R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", "xx")) ==
        "tensor 'a' has dtype F16, which attune does not know (F32, F64, I64, BOOL).");
  CHECK(says(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "xxxx")) ==
        "the header is damaged: tensor 'a' has a place that does not fit its shape.");
  CHECK(says(with_header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "xxxx")) ==
        "the header is damaged: tensor 'a' lacks a dtype, a shape or its place.");
  CHECK(says(with_header(
            R"({"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,0]}})")) ==
        "the header is damaged: tensor 'a' is larger than memory.");
  CHECK(
      says(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "xxxxxxxx")) ==
      "the header is damaged: tensor 'a' does not follow the one before it.");
  CHECK(says(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "xxxx")) ==
        "the file was cut short: its tensors take 8 bytes, and 4 are there.");
  CHECK(says(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "xxxxx")) ==
        "the file is damaged: bytes follow the last tensor.");
  CHECK(error_of(folder.path()).find("it is a directory") != std::string::npos);
  CHECK(error_of(folder.path("missing")).find("No such file") != std::string::npos);
}

TEST_CASE("a file cut short anywhere is an error, never a crash") {
  const Folder folder;
  save_safetensors(folder.path("a"), every_kind());
  const std::string bytes = folder.read("a");
  for (std::size_t length = 0; length < bytes.size(); length += 3) {
    folder.write("b", bytes.substr(0, length));
    CHECK(error_of(folder.path("b")) != "no error");
  }
}

TEST_CASE("random damage is an error or harmless, never a crash") {
  const auto seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const Folder folder;
  save_safetensors(folder.path("a"), every_kind());
  const std::string bytes = folder.read("a");
  for (int round = 0; round < 300; ++round) {
    std::string damaged = bytes;
    for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    folder.write("b", damaged);
    error_of(folder.path("b"));
  }
}

TEST_CASE("a failed write leaves the old file and no other") {
  const Folder folder;
  const std::string path = folder.path("kept");
  save_safetensors(path, every_kind());
  const std::string before = folder.read("kept");
  SafeTensors twice = every_kind();
  twice.tensors.push_back(twice.tensors.front());
  CHECK_THROWS_AS(save_safetensors(path, twice), Error);
  CHECK(folder.read("kept") == before);
  CHECK(folder.files() == 1);
  CHECK_THROWS_AS(save_safetensors(folder.path(), every_kind()), Error);
  CHECK_THROWS_AS(save_safetensors(folder.path("no/such/folder"), every_kind()), Error);
}

}  // namespace
}  // namespace attune::nn
