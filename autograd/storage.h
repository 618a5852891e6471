#pragma once
// The memory under the tensors: a caching allocator, and reference-counted buffers with a version.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "autograd/error.h"
#include "autograd/ref.h"

namespace attune {

// AddressSanitizer must see every allocation to know when one is misused, so under it nothing is
// cached.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool allocator_caches = false;
#elif defined(__has_feature)
inline constexpr bool allocator_caches = !__has_feature(address_sanitizer);
#else
inline constexpr bool allocator_caches = true;
#endif

// Allocates `bytes` aligned to 64. Freed blocks are kept, by size class, and handed out again, so
// that a training loop asks the system for memory in its first step only. Error when there is none.
void* allocate(std::size_t bytes);
void deallocate(void* block, std::size_t bytes);

// What is alive now, over all threads.
struct MemoryStats {
  std::int64_t live_bytes;  // in tensor buffers
  std::int64_t peak_bytes;  // the most live_bytes has been since reset_peak_bytes()
  std::int64_t live_nodes;  // of recorded graphs
  // In free blocks that any thread may reuse. Each thread keeps some small ones for itself besides.
  std::int64_t cached_bytes;
};
MemoryStats memory_stats();
void reset_peak_bytes();
// Gives the blocks that are cached for reuse back to the system, except the small ones that other
// running threads keep for themselves (less than 256 KB of each size).
void empty_cache();

// Called by the constructor and destructor of every graph node.
void count_nodes(std::int64_t change);

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
