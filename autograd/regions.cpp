#include "autograd/regions.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "autograd/kernels/rounding.h"

namespace attune {
namespace {

// Regions begin with a huge page and hold whole ones, if the system has any to give: walking
// through them, the processor then looks up 512 times fewer addresses.
constexpr std::size_t huge_page = 2 << 20;
constexpr std::size_t least_region = 8 << 20;

// Addresses alone: a page takes memory when it is first written. Null when there are none.
std::byte* map_region(std::size_t bytes) {
  const std::size_t with_margin = bytes + huge_page;
  void* const mapped =
      mmap(nullptr, with_margin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const first = static_cast<std::byte*>(mapped);
  const auto address = reinterpret_cast<std::uintptr_t>(first);
  const std::size_t before = round_up(address, huge_page) - address;
  const std::size_t behind = huge_page - before;
  if (before > 0) munmap(first, before);
  if (behind > 0) munmap(first + before + bytes, behind);
#ifdef MADV_HUGEPAGE
  madvise(first + before, bytes, MADV_HUGEPAGE);
#endif
  return first + before;
}

// The pages that lie wholly in there go back to the system; the addresses stay ours.
void release_pages([[maybe_unused]] std::byte* begin, [[maybe_unused]] std::size_t bytes) {
#ifdef __linux__
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  const std::size_t first = round_up(address, page) - address;
  const std::size_t last = (address + bytes) / page * page - address;
  if (first < last) madvise(begin + first, last - first, MADV_DONTNEED);
#endif
}

}  // namespace

Regions::~Regions() {
  for (const auto& [begin, bytes] : regions_) munmap(begin, bytes);
}

void Regions::add_free(std::byte* begin, std::size_t bytes) {
  free_.emplace(begin, bytes);
  free_by_size_.emplace(bytes, begin);
  free_bytes_ += bytes;
}

void Regions::remove_free(Extents::iterator extent) {
  const auto [begin, bytes] = *extent;
  free_by_size_.erase({bytes, begin});
  free_.erase(extent);
  free_bytes_ -= bytes;
}

// A quarter of what is held at least, so that there are few of them however much is needed.
bool Regions::add_region(std::size_t bytes) {
  const std::size_t size = round_up(std::max({bytes, least_region, held_bytes_ / 4}), huge_page);
  std::byte* const region = map_region(size);
  if (!region) return false;
  regions_.emplace(region, size);
  held_bytes_ += size;
  add_free(region, size);
  return true;
}

void Regions::remove_unused_regions() {
  for (auto region = regions_.begin(); region != regions_.end();) {
    const auto [begin, bytes] = *region;
    const auto extent = free_.find(begin);
    if (extent == free_.end() || extent->second != bytes) {
      ++region;
      continue;
    }
    remove_free(extent);
    munmap(begin, bytes);
    held_bytes_ -= bytes;
    region = regions_.erase(region);
  }
}

void* Regions::allocate(std::size_t bytes) {
  bytes = round_up(bytes, alignment);
  auto best = free_by_size_.lower_bound({bytes, nullptr});
  if (best == free_by_size_.end()) {
    // Regions without a block are too small now, and may be so for good.
    remove_unused_regions();
    if (!add_region(bytes)) return nullptr;
    best = free_by_size_.lower_bound({bytes, nullptr});
  }
  const auto [size, begin] = *best;
  remove_free(free_.find(begin));
  if (size > bytes) add_free(begin + bytes, size - bytes);
  return begin;
}

void Regions::deallocate(void* block, std::size_t bytes) {
  auto* begin = static_cast<std::byte*>(block);
  bytes = round_up(bytes, alignment);
  // Regions may lie side by side, but what is free is joined only within one.
  const auto after = free_.lower_bound(begin);
  const bool joins_after =
      after != free_.end() && after->first == begin + bytes && !regions_.contains(after->first);
  const bool has_before = after != free_.begin() && !regions_.contains(begin);
  const auto before = has_before ? std::prev(after) : free_.end();
  const bool joins_before = has_before && before->first + before->second == begin;
  if (joins_after) {
    bytes += after->second;
    remove_free(after);
  }
  if (joins_before) {
    begin = before->first;
    bytes += before->second;
    remove_free(before);
  }
  add_free(begin, bytes);
}

void Regions::release() {
  remove_unused_regions();
  for (const auto& [begin, bytes] : free_) release_pages(begin, bytes);
}

}  // namespace attune
