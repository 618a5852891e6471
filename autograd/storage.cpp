#include "autograd/storage.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace attune {
namespace {

// A sanitizer must see every allocation to know when one is misused, so under it nothing is cached.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool caching = false;
#elif defined(__has_feature)
constexpr bool caching = !__has_feature(address_sanitizer);
#else
constexpr bool caching = true;
#endif

constexpr std::size_t alignment = 64;
// Blocks up to this size are cached by each thread for itself, larger ones by all together.
constexpr std::size_t small_limit = 64 * 1024;
// The shared cache keeps at most this much beyond half of what has been live.
constexpr std::int64_t cache_slack = 32 << 20;

// Size classes: eight to an octave, so that rounding up wastes at most an eighth.
std::size_t size_class(std::size_t bytes) {
  const std::size_t units = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment;
  if (units <= 8) return units - 1;
  const auto octave = static_cast<std::size_t>(std::bit_width(units - 1)) - 4;
  return 8 * octave + ((units - 1) >> octave);
}

std::size_t class_bytes(std::size_t index) {
  if (index < 8) return (index + 1) * alignment;
  const std::size_t octave = index / 8 - 1;
  return (index % 8 + 9) * alignment << octave;
}

constexpr std::size_t class_count = 8 * 40;

// Free blocks form a list through their own first words.
struct FreeBlock {
  FreeBlock* next;
};
using FreeLists = std::array<FreeBlock*, class_count>;

void* pop(FreeBlock*& list) {
  FreeBlock* const block = list;
  if (block) list = block->next;
  return block;
}

void push(FreeBlock*& list, void* block) {
  list = new (block) FreeBlock{list};
}

void* from_system(std::size_t bytes) {
  void* const block = std::aligned_alloc(alignment, bytes);
  if (!block) throw std::bad_alloc();
  return block;
}

// What a thread owns: its cache of small blocks and its share of the counts. Only the owner writes;
// the counts are atomic so that memory_stats() may read them from elsewhere.
struct ThreadHeap {
  FreeLists free{};
  std::atomic<std::int64_t> live_bytes = 0;
  std::atomic<std::int64_t> peak_bytes = 0;
  std::atomic<std::int64_t> live_nodes = 0;
  bool owned = true;
};

// Heaps outlive their threads, for a buffer may be freed after its thread has ended, and pass to
// threads that start later. Never destroyed, for tensors may be static.
struct Heaps {
  std::mutex mutex;
  std::vector<ThreadHeap*> all;
  FreeLists large{};
  std::int64_t large_cached = 0;
};

Heaps& heaps() {
  static Heaps* const instance = new Heaps;
  return *instance;
}

constinit thread_local ThreadHeap* this_heap = nullptr;

struct Ownership {
  ThreadHeap* heap;
  ~Ownership() {
    const std::lock_guard lock(heaps().mutex);
    heap->owned = false;
  }
};

ThreadHeap& adopt_heap() {
  {
    const std::lock_guard lock(heaps().mutex);
    auto& all = heaps().all;
    const auto orphan =
        std::find_if(all.begin(), all.end(), [](auto* heap) { return !heap->owned; });
    if (orphan == all.end()) {
      this_heap = all.emplace_back(new ThreadHeap);
    } else {
      this_heap = *orphan;
      this_heap->owned = true;
    }
  }
  thread_local const Ownership ownership{this_heap};
  return *this_heap;
}

ThreadHeap& heap() {
  return this_heap ? *this_heap : adopt_heap();
}

// The owner is the only writer, so no read-modify-write is needed.
std::int64_t bump(std::atomic<std::int64_t>& count, std::int64_t change) {
  const std::int64_t value = count.load(std::memory_order_relaxed) + change;
  count.store(value, std::memory_order_relaxed);
  return value;
}

void count_bytes(std::int64_t change) {
  ThreadHeap& mine = heap();
  const std::int64_t live = bump(mine.live_bytes, change);
  if (live > mine.peak_bytes.load(std::memory_order_relaxed)) {
    mine.peak_bytes.store(live, std::memory_order_relaxed);
  }
}

std::int64_t total(std::atomic<std::int64_t> ThreadHeap::*count) {
  std::int64_t sum = 0;
  for (const ThreadHeap* heap : heaps().all) sum += (heap->*count).load(std::memory_order_relaxed);
  return sum;
}

void* allocate_large(std::size_t index) {
  {
    const std::lock_guard lock(heaps().mutex);
    if (void* const block = pop(heaps().large[index])) {
      heaps().large_cached -= static_cast<std::int64_t>(class_bytes(index));
      return block;
    }
  }
  return from_system(class_bytes(index));
}

void deallocate_large(void* block, std::size_t index) {
  const std::lock_guard lock(heaps().mutex);
  const auto cached = heaps().large_cached + static_cast<std::int64_t>(class_bytes(index));
  if (cached > total(&ThreadHeap::peak_bytes) / 2 + cache_slack) {
    std::free(block);
    return;
  }
  heaps().large_cached = cached;
  push(heaps().large[index], block);
}

}  // namespace

void* allocate(std::size_t bytes) {
  const std::size_t index = size_class(bytes);
  if constexpr (!caching) return from_system(class_bytes(index));
  if (bytes > small_limit) return allocate_large(index);
  if (void* const block = pop(heap().free[index])) return block;
  return from_system(class_bytes(index));
}

void deallocate(void* block, std::size_t bytes) {
  const std::size_t index = size_class(bytes);
  if constexpr (!caching) return std::free(block);
  if (bytes > small_limit) return deallocate_large(block, index);
  push(heap().free[index], block);
}

MemoryStats memory_stats() {
  const std::lock_guard lock(heaps().mutex);
  return {total(&ThreadHeap::live_bytes), total(&ThreadHeap::peak_bytes),
          total(&ThreadHeap::live_nodes)};
}

void reset_peak_bytes() {
  const std::lock_guard lock(heaps().mutex);
  for (ThreadHeap* heap : heaps().all) heap->peak_bytes.store(heap->live_bytes.load());
}

void empty_cache() {
  ThreadHeap& mine = heap();
  const std::lock_guard lock(heaps().mutex);
  for (FreeLists* lists : {&mine.free, &heaps().large}) {
    for (FreeBlock*& list : *lists) {
      while (void* const block = pop(list)) std::free(block);
    }
  }
  heaps().large_cached = 0;
}

void count_nodes(std::int64_t change) {
  bump(heap().live_nodes, change);
}

Ref<Storage> Storage::make(std::size_t bytes) {
  void* const block = allocate(sizeof(Storage) + bytes);
  count_bytes(static_cast<std::int64_t>(bytes));
  return Ref<Storage>::adopt(new (block) Storage(bytes));
}

void Storage::destroy(Storage* storage) {
  const std::size_t bytes = storage->bytes_;
  storage->~Storage();
  deallocate(storage, sizeof(Storage) + bytes);
  count_bytes(-static_cast<std::int64_t>(bytes));
}

}  // namespace attune
