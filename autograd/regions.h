#pragma once
// Large blocks of memory, cut from regions of address space that the system gives.

#include <cstddef>
#include <map>
#include <set>
#include <utility>

namespace attune {

// What is free is cut where it fits best, and joined with its free neighbours when it is given back
// (Wilson et al. 1995, "Dynamic Storage Allocation: A Survey and Critical Review"). So steps whose
// tensors differ in size from one to the next share the same memory, and what is held comes to rest
// near the most that is in use at once. Not for two threads at a time.
class Regions {
 public:
  Regions() = default;
  Regions(const Regions&) = delete;
  Regions& operator=(const Regions&) = delete;
  // All go back to the system, with what lives in them.
  ~Regions();

  // What blocks are aligned to, and their sizes rounded up to.
  static constexpr std::size_t alignment = 64;

  // Null when the system has no more.
  void* allocate(std::size_t bytes);
  void deallocate(void* block, std::size_t bytes);
  // Gives back what is free: regions in which nothing lives as a whole, of others their free pages.
  void release();
  // Held from the system, pages or only addresses, with no block in it.
  std::size_t free_bytes() const { return free_bytes_; }

 private:
  using Extents = std::map<std::byte*, std::size_t>;

  bool add_region(std::size_t bytes);
  void remove_unused_regions();
  void add_free(std::byte* begin, std::size_t bytes);
  void remove_free(Extents::iterator extent);

  Extents regions_;
  Extents free_;
  std::set<std::pair<std::size_t, std::byte*>> free_by_size_;
  std::size_t free_bytes_ = 0;
  std::size_t held_bytes_ = 0;
};

}  // namespace attune
