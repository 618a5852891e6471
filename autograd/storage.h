#pragma once
// Reference-counted buffers with a version.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "autograd/error.h"
#include "autograd/ref.h"

namespace attune {

// The rows of a table that were written. The others are zeros, which are put there when somebody
// looks: a step touches few rows of a large embedding, and its gradient is mostly such zeros.
struct WrittenRows {
  std::size_t bytes;          // of a row
  std::vector<bool> written;  // one a row
};

// A buffer that tensors and their views share. The elements follow this header in the same block.
class alignas(64) Storage : public RefCounted {
 public:
  // An uninitialised buffer of that many bytes.
  static Ref<Storage> make(std::size_t bytes);
  static void destroy(Storage* storage);

  std::byte* data() {
    return unwritten_.load(std::memory_order_acquire) ? write_zeros() : written_data();
  }
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

  // Says that of a new buffer these rows alone were written, for data() to write the others.
  void leave_unwritten(WrittenRows rows);
  // Those rows; null where nothing is left unwritten. They stay what they are for as long as the
  // storage lives, and may be read at written_data() meanwhile.
  const WrittenRows* written_rows() const {
    return unwritten_.load(std::memory_order_acquire) ? rows_.get() : nullptr;
  }
  std::byte* written_data() { return reinterpret_cast<std::byte*>(this + 1); }

 private:
  explicit Storage(std::size_t bytes) : bytes_(bytes) {}

  std::byte* write_zeros();

  std::atomic<bool> unwritten_ = false;
  std::uint32_t version_ = 0;
  std::uint32_t generation_ = 0;
  std::size_t bytes_;
  const char* last_writer_ = nullptr;
  Site last_write_;
  std::shared_ptr<void> derived_;
  std::unique_ptr<WrittenRows> rows_;
};

}  // namespace attune
