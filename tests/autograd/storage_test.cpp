// Buffers with a version.
#include "autograd/storage.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

namespace attune {
namespace {

TEST_CASE("a buffer counts its changes and remembers the last one") {
  const auto storage = Storage::make(100);
  CHECK(storage->bytes() == 100);
  CHECK(storage->version() == 0);
  CHECK(storage->last_writer() == nullptr);
  const Site site = Site::current();
  storage->changed_by("fill_", site);
  storage->changed_by("add_", site);
  CHECK(storage->version() == 2);
  CHECK(std::string(storage->last_writer()) == "add_");
  CHECK(storage->last_write().line() == site.line());
}

// A buffer of four rows of which two were written: 7 in row 1, 8 in row 3, and 9 left over in the
// others.
Ref<Storage> half_written(std::size_t bytes_of_row) {
  Ref<Storage> storage = Storage::make(4 * bytes_of_row);
  const std::byte values[] = {std::byte{9}, std::byte{7}, std::byte{9}, std::byte{8}};
  for (std::size_t row = 0; row < 4; ++row) {
    std::fill_n(storage->written_data() + row * bytes_of_row, bytes_of_row, values[row]);
  }
  storage->leave_unwritten({bytes_of_row, {false, true, false, true}});
  return storage;
}

TEST_CASE("rows that were left unwritten are zeros to those who look, on whatever thread") {
  const Ref<Storage> storage = half_written(1000);
  REQUIRE(storage->written_rows() != nullptr);
  CHECK(storage->written_rows()->bytes == 1000);
  std::vector<std::byte> seen[2];
  std::thread looks([&] { seen[0].assign(storage->data(), storage->data() + 4000); });
  seen[1].assign(storage->data(), storage->data() + 4000);
  looks.join();
  CHECK(storage->written_rows() == nullptr);
  for (const std::vector<std::byte>& elements : seen) {
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const std::byte expected[] = {std::byte{0}, std::byte{7}, std::byte{0}, std::byte{8}};
      if (elements[i] != expected[i / 1000])
        FAIL("byte ", i, " is ", static_cast<int>(elements[i]));
    }
  }
}

}  // namespace
}  // namespace attune
