#include "autograd/packing.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace attune {
namespace {

// What was made of one view of a storage's elements, one for each type; null while it was only
// asked for.
struct Entry {
  std::int64_t offset;
  Shape shape;
  Strides strides;
  std::type_index type;
  std::shared_ptr<void> made;

  Entry(const Tensor& x, std::type_index made_type)
      : offset(x.handle()->offset), shape(x.shape()), strides(x.strides()), type(made_type) {}
  bool is_for(const Entry& other) const {
    return offset == other.offset && shape == other.shape && strides == other.strides &&
           type == other.type;
  }
};

// One lock for all storages: it is held for a look at a short list, or for a packing that two
// threads would else both make.
std::mutex& mutex() {
  static std::mutex one;
  return one;
}

// The entry for a type among those kept with the elements, and whether it was there before.
std::pair<Entry&, bool> find(const Tensor& x, std::type_index type) {
  std::shared_ptr<void>& derived = x.handle()->storage->derived();
  if (!derived) derived = std::make_shared<std::vector<Entry>>();
  auto& entries = *static_cast<std::vector<Entry>*>(derived.get());
  const Entry wanted(x, type);
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.is_for(wanted); });
  if (found != entries.end()) return {*found, true};
  return {entries.emplace_back(wanted), false};
}

template <class T>
std::shared_ptr<PackedMatrix<T>> pack(const Tensor& x) {
  return std::make_shared<PackedMatrix<T>>(x.size(0), x.size(1),
                                           Matrix<T>{x.raw<T>(), x.strides()[0], x.strides()[1]});
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
  return kept_with<PackedMatrix<float>>(matrix, [&] { return pack<float>(matrix); });
}

std::shared_ptr<const PackedMatrix<float>> packed_if_reused(const Tensor& matrix) {
  if (grad_enabled()) return nullptr;
  const std::lock_guard lock(mutex());
  const auto [entry, known] = find(matrix, typeid(PackedMatrix<float>));
  if (known && !entry.made) entry.made = pack<float>(matrix);
  return std::static_pointer_cast<const PackedMatrix<float>>(entry.made);
}

std::shared_ptr<void> detail::kept(const Tensor& x, std::type_index type,
                                   const std::function<std::shared_ptr<void>()>& make) {
  const std::lock_guard lock(mutex());
  Entry& entry = find(x, type).first;
  if (!entry.made) entry.made = make();
  return entry.made;
}

}  // namespace attune
