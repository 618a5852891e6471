#pragma once
// A check that graphs give back what they took.

#include <doctest/doctest.h>

#include <cstdint>

#include "autograd/allocator.h"

namespace attune::testing {

// Stands first in a test: when the tensors made after it are gone, as many nodes and bytes must be
// alive as were before.
struct NothingLeft {
  NothingLeft() = default;
  NothingLeft(const NothingLeft&) = delete;
  NothingLeft& operator=(const NothingLeft&) = delete;
  ~NothingLeft() {
    CHECK(memory_stats().live_nodes == nodes_before);
    CHECK(memory_stats().live_bytes == bytes_before);
  }

  std::int64_t nodes_before = memory_stats().live_nodes;
  std::int64_t bytes_before = memory_stats().live_bytes;
};

}  // namespace attune::testing
