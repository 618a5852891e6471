#include "autograd/storage.h"

#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "autograd/allocator.h"
#include "autograd/kernels/parallel.h"

namespace attune {
namespace {

// Rows that are worth a thread's while.
constexpr std::int64_t zeroed_at_once = 64;

}  // namespace

Ref<Storage> Storage::make(std::size_t bytes) {
  void* const block = allocate(sizeof(Storage) + bytes);
  count_bytes(static_cast<std::int64_t>(bytes));
  return Ref<Storage>::adopt(new (block) Storage(bytes));
}

void Storage::destroy(Storage* storage) {
  const std::size_t bytes = storage->bytes_;
  storage->~Storage();
  count_bytes(-static_cast<std::int64_t>(bytes));
  deallocate(storage, sizeof(Storage) + bytes);
}

void Storage::leave_unwritten(WrittenRows rows) {
  rows_ = std::make_unique<WrittenRows>(std::move(rows));
  unwritten_.store(true, std::memory_order_release);
}

// Two threads may look at a tensor at once.
std::byte* Storage::write_zeros() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (!unwritten_.load(std::memory_order_relaxed)) return written_data();
  const auto count = static_cast<std::int64_t>(rows_->written.size());
  parallel_for(count, zeroed_at_once, [&](std::int64_t begin, std::int64_t end) {
    for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row) {
      if (!rows_->written[row]) std::memset(written_data() + row * rows_->bytes, 0, rows_->bytes);
    }
  });
  unwritten_.store(false, std::memory_order_release);
  return written_data();
}

}  // namespace attune
