#pragma once
// Reference-counted buffers with a version.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "autograd/error.h"
#include "autograd/ref.h"

namespace attune {

// A buffer that tensors and their views share. The elements follow this header in the same block.
class alignas(64) Storage : public RefCounted {
 public:
  // An uninitialised buffer of that many bytes.
  static Ref<Storage> make(std::size_t bytes);
  static void destroy(Storage* storage);

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
  std::size_t bytes() const { return bytes_; }

  // The number of times the contents were changed in place, and by whom last.
  std::uint32_t version() const { return version_; }
  const char* last_writer() const { return last_writer_; }
  const Site& last_write() const { return last_write_; }
  void changed_by(const char* op, const Site& site) {
    ++version_;
    last_writer_ = op;
    last_write_ = site;
    moved();
  }
  // What was computed from the elements and is worth keeping until they change: packing.h.
  std::shared_ptr<void>& derived() { return derived_; }
  // Forgets that. To be called where elements are moved and will be put back, which is no change to
  // those who saved them. How often elements moved in either way:
  void moved() {
    ++generation_;
    derived_.reset();
  }
  std::uint32_t generation() const { return generation_; }

 private:
  explicit Storage(std::size_t bytes) : bytes_(bytes) {}

  std::uint32_t version_ = 0;
  std::uint32_t generation_ = 0;
  std::size_t bytes_;
  const char* last_writer_ = nullptr;
  Site last_write_;
  std::shared_ptr<void> derived_;
};

}  // namespace attune
