// Buffers with a version.
#include "autograd/storage.h"

#include <doctest/doctest.h>

#include <string>

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

}  // namespace
}  // namespace attune
