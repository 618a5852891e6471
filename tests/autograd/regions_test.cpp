// Blocks cut from regions: apart, whole again when they are given back, and in little room.
#include "autograd/regions.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace attune {
namespace {

constexpr std::size_t mebibyte = 1 << 20;

struct Block {
  std::byte* begin;
  std::size_t bytes;
  int mark;
};

class Blocks {
 public:
  void take(std::size_t bytes, int mark) {
    auto* const begin = static_cast<std::byte*>(regions.allocate(bytes));
    REQUIRE(begin != nullptr);
    std::memset(begin, mark, bytes);
    blocks.push_back({begin, bytes, mark});
  }
  // Whether the block that is given back held what was written to it to the end.
  bool give_back(std::size_t which) {
    const Block block = blocks[which];
    blocks[which] = blocks.back();
    blocks.pop_back();
    const std::vector<std::byte> expected(block.bytes, static_cast<std::byte>(block.mark));
    const bool whole = std::memcmp(block.begin, expected.data(), block.bytes) == 0;
    regions.deallocate(block.begin, block.bytes);
    return whole;
  }
  std::size_t live() const {
    std::size_t sum = 0;
    for (const Block& block : blocks) sum += block.bytes;
    return sum;
  }

  Regions regions;
  std::vector<Block> blocks;
};

TEST_CASE("blocks of random sizes do not overlap, and leave nothing behind") {
  const unsigned seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  Blocks held;
  std::size_t most = 0;
  for (int step = 0; step < 4000; ++step) {
    if (held.blocks.size() < 200 && random() % 5 < 3) {
      held.take(64 * (1 + random() % (random() % 4 == 0 ? 8000 : 200)), step % 251);
      most = std::max(most, held.live());
    } else if (!held.blocks.empty()) {
      CHECK(held.give_back(random() % held.blocks.size()));
    }
  }
  // Best fit wastes little, and a region is of at least 8 MiB.
  CHECK(held.live() + held.regions.free_bytes() <= 2 * most + 8 * mebibyte);
  while (!held.blocks.empty()) CHECK(held.give_back(held.blocks.size() - 1));
  held.regions.release();
  CHECK(held.regions.free_bytes() == 0);
}

TEST_CASE("free neighbours become one, on both sides") {
  for (const auto& order : {std::vector{0, 1, 2}, {2, 1, 0}, {0, 2, 1}, {1, 0, 2}}) {
    Regions regions;
    constexpr std::size_t third = 8 * mebibyte / 3 / 64 * 64;
    std::vector<void*> thirds;
    for (int i = 0; i < 3; ++i) thirds.push_back(regions.allocate(third));
    const std::size_t held = regions.free_bytes();
    for (const int i : order) regions.deallocate(thirds[static_cast<std::size_t>(i)], third);
    CHECK(regions.free_bytes() > held);
    CHECK(regions.allocate(8 * mebibyte) == thirds[0]);
    CHECK(regions.free_bytes() == 0);
  }
}

TEST_CASE("a block is cut where it fits best") {
  Regions regions;
  void* const large = regions.allocate(mebibyte);
  regions.allocate(64);
  void* const small = regions.allocate(mebibyte / 2);
  regions.allocate(64);
  regions.deallocate(large, mebibyte);
  regions.deallocate(small, mebibyte / 2);
  CHECK(regions.allocate(mebibyte / 2) == small);
  CHECK(regions.allocate(mebibyte / 2) == large);
}

#ifdef __linux__
// Memory that the process holds now, in bytes.
std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, pages = 0;
  file >> all >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

TEST_CASE("release() gives back the free pages of regions in use") {
  Regions regions;
  void* const whole = regions.allocate(64 * mebibyte);
  std::memset(whole, 1, 64 * mebibyte);
  regions.deallocate(whole, 64 * mebibyte);
  auto* const kept = static_cast<std::byte*>(regions.allocate(mebibyte));
  std::memset(kept, 2, mebibyte);
  const std::size_t before = resident();
  regions.release();
  CHECK(resident() + 60 * mebibyte < before);
  CHECK(regions.free_bytes() == 63 * mebibyte);
  CHECK(kept[mebibyte - 1] == std::byte{2});
  regions.deallocate(kept, mebibyte);
  regions.release();
  CHECK(regions.free_bytes() == 0);
}
#endif

TEST_CASE("more than there are addresses is null, and changes nothing") {
  Regions regions;
  CHECK(regions.allocate(std::size_t{1} << 50) == nullptr);
  CHECK(regions.free_bytes() == 0);
  CHECK(regions.allocate(64) != nullptr);
}

}  // namespace
}  // namespace attune
