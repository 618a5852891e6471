#include "autograd/allocator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "autograd/error.h"
#include "autograd/kernels/rounding.h"
#include "autograd/regions.h"

namespace attune {
namespace {

constexpr std::size_t alignment = Regions::alignment;
// All blocks are cut from regions that all threads share; those up to this size are cached by each
// thread for itself, and cut several at a time.
constexpr std::size_t small_limit = 64 * 1024;
// What a thread keeps of one size before it hands blocks over to the others.
constexpr std::size_t magazine_bytes = 128 * 1024;
// What a thread takes from the regions when it has no small block.
constexpr std::size_t refill_bytes = 16 * 1024;
// Caching small blocks may raise what is held to one and a half times the most that has been live,
// and this much more.
constexpr std::int64_t cache_slack = 16 << 20;

// Size classes of small blocks: eight to an octave, so that rounding up wastes at most an eighth.
constexpr std::size_t size_class(std::size_t bytes) {
  const std::size_t units = divide_up(std::max<std::size_t>(bytes, 1), alignment);
  if (units <= 8) return units - 1;
  const auto octave = static_cast<std::size_t>(std::bit_width(units - 1)) - 4;
  return 8 * octave + ((units - 1) >> octave);
}

constexpr std::size_t class_bytes(std::size_t index) {
  if (index < 8) return (index + 1) * alignment;
  const std::size_t octave = index / 8 - 1;
  return (index % 8 + 9) * alignment << octave;
}

constexpr std::size_t small_classes = size_class(small_limit) + 1;
constexpr std::size_t address_space = std::size_t{1} << 47;

// Free blocks form a list through their own first words.
struct FreeBlock {
  FreeBlock* next;
};

// Free blocks of one size class.
struct FreeList {
  FreeBlock* first = nullptr;
  std::size_t count = 0;

  void push(void* block) {
    first = new (block) FreeBlock{first};
    ++count;
  }
  // Null when there is none.
  void* pop() {
    FreeBlock* const block = first;
    if (!block) return nullptr;
    first = block->next;
    --count;
    return block;
  }
  // Gives its blocks, of that size, back to the regions.
  void release(Regions& regions, std::size_t bytes) {
    while (void* const block = pop()) regions.deallocate(block, bytes);
  }
};

// What a thread caches of one small class: a list that it takes from and gives to, and a full one
// in reserve (Bonwick & Adams 2001, "Magazines and vmem"). A thread that only frees what another
// allocates hands full lists over to it; one that does both takes no lock.
struct Magazines {
  FreeList loaded;
  FreeList reserve;
};

constexpr auto magazine_size = [] {
  std::array<std::size_t, small_classes> blocks{};
  for (std::size_t i = 0; i < small_classes; ++i) blocks[i] = magazine_bytes / class_bytes(i);
  return blocks;
}();

// What a thread owns: its cache of small blocks and its share of the counts. Only the owner writes;
// the counts are atomic so that memory_stats() may read them from elsewhere.
struct ThreadHeap {
  std::array<Magazines, small_classes> small{};
  std::atomic<std::int64_t> live_bytes = 0;
  std::atomic<std::int64_t> live_nodes = 0;
  std::int64_t unreported_bytes = 0;
  bool owned = true;

  // Gives what it caches back to the regions.
  void release(Regions& regions) {
    for (std::size_t i = 0; i < small_classes; ++i) {
      small[i].loaded.release(regions, class_bytes(i));
      small[i].reserve.release(regions, class_bytes(i));
    }
  }
};

// Heaps outlive their threads, for a buffer may be freed after its thread has ended, and pass to
// threads that start later. Never destroyed, for tensors may be static.
struct Heaps {
  std::mutex mutex;
  std::vector<ThreadHeap*> all;
  std::array<std::vector<FreeList>, small_classes> small;
  std::int64_t cached_small_bytes = 0;
  Regions regions;
};

Heaps& heaps() {
  static Heaps* const instance = new Heaps;
  return *instance;
}

// The live bytes that threads have reported, and the most there have been. A thread reports when
// its own have changed by a good deal, lest all contend for one counter: so the peak is exact for
// one thread, and for many to within report_step for each.
constexpr std::int64_t report_step = small_limit;
constinit std::atomic<std::int64_t> reported_bytes = 0;
constinit std::atomic<std::int64_t> peak_bytes = 0;

void report(ThreadHeap& mine) {
  reported_bytes.fetch_add(std::exchange(mine.unreported_bytes, 0), std::memory_order_relaxed);
}

constinit thread_local ThreadHeap* this_heap = nullptr;

// Leaves the heap to a thread that starts later. What this thread does while its last objects are
// destroyed, it does in another heap.
struct Ownership {
  ThreadHeap* heap;
  ~Ownership() {
    const std::lock_guard lock(heaps().mutex);
    report(*heap);
    heap->owned = false;
    this_heap = nullptr;
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
void bump(std::atomic<std::int64_t>& count, std::int64_t change) {
  count.store(count.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
}

std::int64_t total(std::atomic<std::int64_t> ThreadHeap::*count) {
  std::int64_t sum = 0;
  for (const ThreadHeap* heap : heaps().all) sum += (heap->*count).load(std::memory_order_relaxed);
  return sum;
}

// Whether so many bytes of small blocks more may be cached.
bool within_limit(std::size_t bytes) {
  const std::int64_t held =
      reported_bytes.load(std::memory_order_relaxed) + heaps().cached_small_bytes;
  const std::int64_t peak = peak_bytes.load(std::memory_order_relaxed);
  return held + static_cast<std::int64_t>(bytes) <= peak + peak / 2 + cache_slack;
}

// What take() gives; when that is null, what it gives after all that is cached has gone back to the
// system.
template <class Take>
void* or_after_release(std::size_t bytes, const Take& take) {
  if (bytes > address_space) {
    throw Error(fmt::format("out of memory: no system has {} bytes.", bytes));
  }
  void* block = take();
  if (!block) {
    empty_cache();
    block = take();
  }
  if (!block) {
    throw Error(fmt::format("out of memory: the system has no {} bytes more; {} are in tensors.",
                            bytes, memory_stats().live_bytes));
  }
  return block;
}

void* from_system(std::size_t bytes) {
  return or_after_release(bytes, [bytes]() -> void* {
    void* block = nullptr;
    return posix_memalign(&block, alignment, bytes) == 0 ? block : nullptr;
  });
}

[[gnu::noinline]] void* from_regions(std::size_t bytes) {
  return or_after_release(bytes, [bytes] {
    const std::lock_guard lock(heaps().mutex);
    return heaps().regions.allocate(bytes);
  });
}

[[gnu::noinline]] void to_regions(void* block, std::size_t bytes) {
  const std::lock_guard lock(heaps().mutex);
  heaps().regions.deallocate(block, bytes);
}

// Takes a full list of that class from the shared cache, if it has one.
FreeList take_magazine(std::size_t index) {
  const std::lock_guard lock(heaps().mutex);
  std::vector<FreeList>& full = heaps().small[index];
  if (full.empty()) return {};
  const FreeList list = full.back();
  full.pop_back();
  heaps().cached_small_bytes -= static_cast<std::int64_t>(list.count * class_bytes(index));
  return list;
}

void give_magazine(FreeList list, std::size_t index) {
  const std::size_t bytes = list.count * class_bytes(index);
  const std::lock_guard lock(heaps().mutex);
  if (!within_limit(bytes)) return list.release(heaps().regions, class_bytes(index));
  heaps().small[index].push_back(list);
  heaps().cached_small_bytes += static_cast<std::int64_t>(bytes);
}

// New blocks of that class, at least one.
FreeList refill(std::size_t index) {
  const std::size_t bytes = class_bytes(index);
  const std::size_t count = std::max<std::size_t>(refill_bytes / bytes, 1);
  auto* const blocks = static_cast<std::byte*>(from_regions(count * bytes));
  FreeList list;
  for (std::size_t i = count; i-- > 0;) list.push(blocks + i * bytes);
  return list;
}

[[gnu::noinline]] void* allocate_from_magazines(std::size_t index) {
  Magazines& mine = heap().small[index];
  if (mine.loaded.count == 0) {
    std::swap(mine.loaded, mine.reserve);
    if (mine.loaded.count == 0) mine.loaded = take_magazine(index);
  }
  if (mine.loaded.count == 0) mine.loaded = refill(index);
  return mine.loaded.pop();
}

[[gnu::noinline]] void deallocate_to_magazines(void* block, std::size_t index) {
  Magazines& mine = heap().small[index];
  if (mine.loaded.count >= magazine_size[index]) {
    if (mine.reserve.count > 0) give_magazine(mine.reserve, index);
    mine.reserve = std::exchange(mine.loaded, {});
  }
  mine.loaded.push(block);
}

// Nearly always the loaded list will do. That takes a few instructions, if what is rare stays in
// functions of its own, called last.
void* allocate_small(std::size_t index) {
  if (this_heap) {
    if (void* const block = this_heap->small[index].loaded.pop()) return block;
  }
  return allocate_from_magazines(index);
}

void deallocate_small(void* block, std::size_t index) {
  if (!this_heap || this_heap->small[index].loaded.count >= magazine_size[index]) {
    return deallocate_to_magazines(block, index);
  }
  this_heap->small[index].loaded.push(block);
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (!allocator_caches) return from_system(bytes);
  return bytes <= small_limit ? allocate_small(size_class(bytes)) : from_regions(bytes);
}

void deallocate(void* block, std::size_t bytes) {
  if (!allocator_caches) return std::free(block);
  bytes <= small_limit ? deallocate_small(block, size_class(bytes)) : to_regions(block, bytes);
}

MemoryStats memory_stats() {
  const std::lock_guard lock(heaps().mutex);
  const std::int64_t live = total(&ThreadHeap::live_bytes);
  const auto in_regions = static_cast<std::int64_t>(heaps().regions.free_bytes());
  return {live, std::max(live, peak_bytes.load()), total(&ThreadHeap::live_nodes),
          heaps().cached_small_bytes + in_regions};
}

void reset_peak_bytes() {
  const std::lock_guard lock(heaps().mutex);
  peak_bytes = total(&ThreadHeap::live_bytes);
}

void empty_cache() {
  ThreadHeap& mine = heap();
  const std::lock_guard lock(heaps().mutex);
  for (ThreadHeap* heap : heaps().all) {
    if (heap == &mine || !heap->owned) heap->release(heaps().regions);
  }
  for (std::size_t i = 0; i < small_classes; ++i) {
    for (FreeList& list : heaps().small[i]) list.release(heaps().regions, class_bytes(i));
    heaps().small[i].clear();
  }
  heaps().cached_small_bytes = 0;
  heaps().regions.release();
}

void count_bytes(std::int64_t change) {
  ThreadHeap& mine = heap();
  bump(mine.live_bytes, change);
  mine.unreported_bytes += change;
  if (std::abs(mine.unreported_bytes) > report_step) report(mine);
  const std::int64_t live = reported_bytes.load(std::memory_order_relaxed) + mine.unreported_bytes;
  std::int64_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

void count_nodes(std::int64_t change) {
  bump(heap().live_nodes, change);
}

}  // namespace attune
