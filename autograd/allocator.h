#pragma once
// The memory under the tensors and the kernels: a caching allocator, and the counts of what is
// alive.

#include <cstddef>
#include <cstdint>

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

// Allocates `bytes` aligned to 64, in huge pages where the system has them. What is freed is kept
// and handed out again, so that a training loop asks the system for memory in its first step only.
// Error when there is none.
void* allocate(std::size_t bytes);
void deallocate(void* block, std::size_t bytes);

// What is alive now, over all threads.
struct MemoryStats {
  std::int64_t live_bytes;  // in tensor buffers
  std::int64_t peak_bytes;  // the most live_bytes has been since reset_peak_bytes()
  std::int64_t live_nodes;  // of recorded graphs
  // Free, for any thread to reuse: pages, and addresses that have none yet. Each thread keeps some
  // small blocks for itself besides.
  std::int64_t cached_bytes;
};
MemoryStats memory_stats();
void reset_peak_bytes();
// Gives the pages that are cached for reuse back to the system, except those with small blocks that
// other running threads keep for themselves (less than 256 KB of each size).
void empty_cache();

// Called by the constructor and destructor of every tensor buffer, and of every graph node.
void count_bytes(std::int64_t change);
void count_nodes(std::int64_t change);

}  // namespace attune
