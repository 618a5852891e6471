#include "nn/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>

namespace attune::nn {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

// Ordered, for the order of the tensors in the header is kept.
using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t length_bytes = 8;
constexpr std::uint64_t longest_header = 100'000'000;  // the format's own limit
constexpr std::size_t alignment = 64;                  // of the data, in the files written here

[[noreturn]] void fail(const std::string& path, const std::string& why) {
  throw Error(fmt::format("{}: {}", path, why));
}

const char* format_name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "F32";
    case DType::float64:
      return "F64";
    case DType::int64:
      return "I64";
    case DType::boolean:
      return "BOOL";
  }
  return "";
}

std::optional<DType> dtype_named(const std::string& name) {
  for (const DType dtype : {DType::float32, DType::float64, DType::int64, DType::boolean}) {
    if (name == format_name(dtype)) return dtype;
  }
  return std::nullopt;
}

// An open file that is closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }
  bool ok() const { return number_ >= 0; }
  // Some file systems report a full disk no earlier than here.
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

bool write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

std::string header_of(const SafeTensors& contents) {
  OrderedJson header = OrderedJson::object();
  if (!contents.metadata.empty()) header["__metadata__"] = contents.metadata;
  std::size_t offset = 0;
  for (const auto& [name, tensor] : contents.tensors) {
    if (header.contains(name))
      throw Error(fmt::format("save_safetensors: two tensors '{}'.", name));
    const std::size_t bytes = static_cast<std::size_t>(tensor.numel()) * item_size(tensor.dtype());
    header[name] = {
        {"dtype", format_name(tensor.dtype())},
        {"shape", std::vector<std::int64_t>(tensor.shape().begin(), tensor.shape().end())},
        {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  const std::size_t end = length_bytes + text.size();
  text.append((end + alignment - 1) / alignment * alignment - end, ' ');
  return text;
}

bool write_contents(int file, const SafeTensors& contents) {
  const std::string header = header_of(contents);
  const std::uint64_t length = header.size();
  if (!write_all(file, std::as_bytes(std::span(&length, 1)))) return false;
  if (!write_all(file, std::as_bytes(std::span(header)))) return false;
  for (const auto& [name, tensor] : contents.tensors) {
    const Tensor rows = tensor.detach().contiguous();
    const std::size_t bytes = static_cast<std::size_t>(rows.numel()) * item_size(rows.dtype());
    if (!write_all(file, {rows.bytes(), bytes})) return false;
  }
  return ::fsync(file) == 0;
}

}  // namespace

void save_safetensors(const std::string& path, const SafeTensors& contents) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail(path, "cannot write: it is a directory.");
  // Beside the target, for only within a file system is renaming one step.
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file.ok()) fail(path, fmt::format("cannot write: {}.", std::strerror(errno)));
  try {
    const bool written = write_contents(file.get(), contents) && file.close() &&
                         ::rename(temporary.c_str(), path.c_str()) == 0;
    if (!written) fail(path, fmt::format("cannot write: {}.", std::strerror(errno)));
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  // Makes the new name itself survive a power cut; there is nothing to undo if it cannot be done.
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Descriptor directory(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC));
  if (directory.ok()) ::fsync(directory.get());
}

namespace {

std::vector<std::byte> read_all(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) fail(path, fmt::format("cannot read: {}.", std::strerror(errno)));
  struct stat status;
  if (::fstat(file.get(), &status) != 0)
    fail(path, fmt::format("cannot read: {}.", std::strerror(errno)));
  if (S_ISDIR(status.st_mode)) fail(path, "cannot read: it is a directory.");
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)));
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, fmt::format("cannot read: {}.", std::strerror(errno)));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

OrderedJson parse_header(const std::string& path, std::span<const std::byte> file) {
  std::uint64_t length = 0;
  if (file.size() < length_bytes) fail(path, "this is no safetensors file: it is too short.");
  std::memcpy(&length, file.data(), length_bytes);
  if (length > longest_header) fail(path, "this is no safetensors file.");
  if (length > file.size() - length_bytes) {
    fail(path,
         fmt::format("this is no safetensors file, or one that was cut short: its header would "
                     "take {} bytes, and {} follow.",
                     length, file.size() - length_bytes));
  }
  const auto* const text = reinterpret_cast<const char*>(file.data()) + length_bytes;
  OrderedJson header = OrderedJson::parse(text, text + length, nullptr, false);
  if (!header.is_object()) fail(path, "this is no safetensors file: its header is not JSON.");
  return header;
}

// Where a tensor lies in the data, and what it is.
struct Entry {
  std::string name;
  DType dtype;
  Shape shape;
  std::uint64_t begin;
  std::uint64_t end;
};

bool is_list_of_sizes(const OrderedJson& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), [](const OrderedJson& size) {
           return size.is_number_unsigned() && size.get<std::uint64_t>() <= INT64_MAX;
         });
}

Entry parse_entry(const std::string& path, const std::string& name, const OrderedJson& value) {
  const auto damaged = [&](const char* why) {
    fail(path, fmt::format("the header is damaged: tensor '{}' {}.", name, why));
  };
  const bool complete = value.is_object() && value.contains("dtype") &&
                        value["dtype"].is_string() && value.contains("shape") &&
                        is_list_of_sizes(value["shape"]) && value.contains("data_offsets") &&
                        is_list_of_sizes(value["data_offsets"]) &&
                        value["data_offsets"].size() == 2;
  if (!complete) damaged("lacks a dtype, a shape or its place");
  const auto dtype = dtype_named(value["dtype"].get<std::string>());
  if (!dtype) {
    fail(path,
         fmt::format("tensor '{}' has dtype {}, which attune does not know (F32, F64, I64, BOOL).",
                     name, value["dtype"].get<std::string>()));
  }
  if (value["shape"].size() > max_rank) damaged("has more dimensions than attune can hold");
  const Entry entry{name, *dtype, Shape(value["shape"].get<std::vector<std::int64_t>>()),
                    value["data_offsets"][0].get<std::uint64_t>(),
                    value["data_offsets"][1].get<std::uint64_t>()};
  std::uint64_t bytes = item_size(*dtype);
  for (const auto size : entry.shape) {
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)) {
      damaged("is larger than memory");
    }
  }
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    damaged("has a place that does not fit its shape");
  }
  return entry;
}

// Checks that the tensors fill the data without gap or overlap.
void check_places(const std::string& path, std::vector<Entry> entries, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != end) {
      fail(path,
           fmt::format("the header is damaged: tensor '{}' does not follow the one before it.",
                       entry.name));
    }
    end = entry.end;
  }
  if (end > data_bytes) {
    fail(path, fmt::format("the file was cut short: its tensors take {} bytes, and {} are there.",
                           end, data_bytes));
  }
  if (end < data_bytes) fail(path, "the file is damaged: bytes follow the last tensor.");
}

}  // namespace

SafeTensors load_safetensors(const std::string& path) {
  const std::vector<std::byte> file = read_all(path);
  const OrderedJson header = parse_header(path, file);
  SafeTensors contents;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      entries.push_back(parse_entry(path, name, value));
      continue;
    }
    const bool strings =
        value.is_object() &&
        std::all_of(value.begin(), value.end(), [](const OrderedJson& v) { return v.is_string(); });
    if (!strings) fail(path, "the header is damaged: its metadata are not strings.");
    contents.metadata = value.get<std::map<std::string, std::string>>();
  }
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), length_bytes);
  const std::span data = std::span(file).subspan(length_bytes + length);
  check_places(path, entries, data.size());
  for (const Entry& entry : entries) {
    Tensor tensor = empty(entry.shape, entry.dtype);
    const auto bytes = data.subspan(entry.begin, entry.end - entry.begin);
    std::copy(bytes.begin(), bytes.end(), tensor.bytes());
    // Any byte but 0 is true, and only 0 and 1 are legal values of a bool.
    if (entry.dtype == DType::boolean) {
      std::transform(bytes.begin(), bytes.end(), tensor.bytes(),
                     [](std::byte b) { return b == std::byte{0} ? b : std::byte{1}; });
    }
    contents.tensors.emplace_back(entry.name, std::move(tensor));
  }
  return contents;
}

}  // namespace attune::nn
