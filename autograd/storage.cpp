#include "autograd/storage.h"

#include <new>

#include "autograd/allocator.h"

namespace attune {

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

}  // namespace attune
