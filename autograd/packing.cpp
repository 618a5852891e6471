#include "autograd/packing.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace attune {
namespace {

// One view of a storage's elements as a matrix, and its packing once that was asked for.
struct Entry {
  std::int64_t offset, k, n, row, column;
  std::shared_ptr<const PackedMatrix<float>> packing;

  bool same_view(const Entry& other) const {
    return offset == other.offset && k == other.k && n == other.n && row == other.row &&
           column == other.column;
  }
};
using Entries = std::vector<Entry>;

// One lock for all storages: it is held for a look at a short list, or for a packing that two
// threads would else both make.
std::mutex& mutex() {
  static std::mutex one;
  return one;
}

Entry view_of(const Tensor& x) {
  return {x.handle()->offset, x.size(0), x.size(1), x.strides()[0], x.strides()[1], nullptr};
}

// The view's entry among those kept with the elements, and whether it was there before.
std::pair<Entry&, bool> find(const Tensor& matrix) {
  std::shared_ptr<void>& derived = matrix.handle()->storage->derived();
  if (!derived) derived = std::make_shared<Entries>();
  Entries& entries = *static_cast<Entries*>(derived.get());
  const Entry wanted = view_of(matrix);
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.same_view(wanted); });
  if (found != entries.end()) return {*found, true};
  return {entries.emplace_back(wanted), false};
}

template <class T>
std::shared_ptr<const PackedMatrix<T>> pack(const Tensor& x) {
  return std::make_shared<const PackedMatrix<T>>(
      x.size(0), x.size(1), Matrix<T>{x.raw<T>(), x.strides()[0], x.strides()[1]});
}

}  // namespace

Tensor packable(const Tensor& x) {
  return readable_by_gemm(x.size(0), x.size(1), x.strides()[0], x.strides()[1]) ? x
                                                                                : x.contiguous();
}

template <>
std::shared_ptr<const PackedMatrix<double>> packed(const Tensor& matrix) {
  return pack<double>(matrix);
}

template <>
std::shared_ptr<const PackedMatrix<float>> packed(const Tensor& matrix) {
  if (grad_enabled()) return pack<float>(matrix);
  const std::lock_guard lock(mutex());
  Entry& entry = find(matrix).first;
  if (!entry.packing) entry.packing = pack<float>(matrix);
  return entry.packing;
}

std::shared_ptr<const PackedMatrix<float>> packed_if_reused(const Tensor& matrix) {
  if (grad_enabled()) return nullptr;
  const std::lock_guard lock(mutex());
  const auto [entry, known] = find(matrix);
  if (known && !entry.packing) entry.packing = pack<float>(matrix);
  return entry.packing;
}

}  // namespace attune
