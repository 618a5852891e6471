#include "autograd/packing.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "autograd/ops.h"

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

// The elements of a tensor as they are now.
class Unchanged {
 public:
  explicit Unchanged(const Tensor& x)
      : x_(x), generation_(x.defined() ? x.handle()->storage->generation() : 0) {}

  bool is(const Tensor& x) const {
    if (!x.defined() || !x_.defined()) return x.defined() == x_.defined();
    return x.handle()->storage == x_.handle()->storage &&
           x.handle()->offset == x_.handle()->offset && x.shape() == x_.shape() &&
           x.strides() == x_.strides() && x.handle()->storage->generation() == generation_;
  }

 private:
  Tensor x_;
  std::uint32_t generation_;
};

// The products of a table's rows with the weight that this is kept with.
struct ProductsOfRows {
  Unchanged table, bias;
  std::vector<std::int64_t> place_of;  // of each row among the products, -1 if it has none yet
  Tensor products;                     // [room, out]
  std::int64_t count = 0;
};

// One lock for all storages: it is held for a look at a short list, or for a packing that two
// threads would else both make. Products are made under a lock of their own, for they pack.
std::mutex& mutex() {
  static std::mutex one;
  return one;
}
std::mutex& mutex_of_products() {
  static std::mutex one;
  return one;
}

constexpr std::int64_t most_bytes_of_products = std::int64_t{64} << 20;

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

namespace {

// x W^T + b. The bits of a row do not depend on the rows beside it, so that it makes no difference
// with which others a row is kept.
Tensor product_of_rows(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const std::int64_t count = x.size(0), in = weight.size(1), out = weight.size(0);
  const Tensor result = empty({count, out}, x.dtype());
  const Tensor rows = x.contiguous(), matrix = packable(transpose(weight.detach()));
  const Tensor added = bias.defined() ? bias.detach().contiguous() : Tensor();
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    const Addend<T> add{added.defined() ? added.raw<T>() : nullptr, 0};
    if constexpr (sizeof(T) == sizeof(float)) {
      packed<T>(matrix)->multiply_in_parallel(count, rows.raw<T>(), in, add, result.raw<T>(), out);
    } else {
      const Matrix<T> right{matrix.raw<T>(), matrix.strides()[0], matrix.strides()[1]};
      for (std::int64_t row = 0; row < count; ++row) {
        gemm<T>(1, out, in, {rows.raw<T>() + row * in, in, 1}, right, add,
                result.raw<T>() + row * out, out);
      }
    }
  });
  return result;
}

// The products of that table that are kept with the weight; those of a table that changed since
// make room for them.
std::shared_ptr<ProductsOfRows> products_of(const Tensor& table, const Tensor& weight,
                                            const Tensor& bias) {
  const std::lock_guard lock(mutex());
  Entry& entry = find(weight, typeid(ProductsOfRows)).first;
  auto kept = std::static_pointer_cast<ProductsOfRows>(entry.made);
  if (kept && kept->table.is(table) && kept->bias.is(bias)) return kept;
  kept = std::make_shared<ProductsOfRows>(ProductsOfRows{
      Unchanged(table), Unchanged(bias),
      std::vector<std::int64_t>(static_cast<std::size_t>(table.size(0)), -1), Tensor()});
  entry.made = kept;
  return kept;
}

void add_products(ProductsOfRows& kept, const Tensor& products) {
  const std::int64_t room = kept.products.defined() ? kept.products.size(0) : 0;
  const std::int64_t count = kept.count + products.size(0);
  if (count > room) {
    const Tensor more = empty({std::max(count, 2 * room), products.size(1)}, products.dtype());
    if (kept.count > 0) slice(more, 0, 0, kept.count).copy_(slice(kept.products, 0, 0, kept.count));
    kept.products = more;
  }
  slice(kept.products, 0, kept.count, count).copy_(products);
  kept.count = count;
}

}  // namespace

Tensor linear_of_rows(const Tensor& table, const Tensor& ids, const Tensor& weight,
                      const Tensor& bias) {
  const NoGrad no_grad;
  // What is kept with a storage must not hold it.
  const auto shared = [&](const Tensor& x) {
    return x.defined() && x.handle()->storage == weight.handle()->storage;
  };
  if (shared(table) || shared(bias)) {
    return product_of_rows(embedding(table, ids), weight, bias);
  }
  const std::lock_guard lock(mutex_of_products());
  const auto kept = products_of(table, weight, bias);
  std::vector<std::int64_t> missing, places;
  const std::vector<std::int64_t> rows = ids.to_vector<std::int64_t>();
  for (const std::int64_t row : rows) {
    std::int64_t& place = kept->place_of[static_cast<std::size_t>(row)];
    if (place < 0) {
      place = kept->count + static_cast<std::int64_t>(missing.size());
      missing.push_back(row);
    }
    places.push_back(place);
  }
  const auto ids_of = [](const std::vector<std::int64_t>& values) {
    return from_vector(values, {static_cast<std::int64_t>(values.size())});
  };
  if (!missing.empty()) {
    const auto size = static_cast<std::int64_t>(item_size(table.dtype())) * weight.size(0);
    if ((kept->count + static_cast<std::int64_t>(missing.size())) * size > most_bytes_of_products) {
      for (const std::int64_t row : missing) kept->place_of[static_cast<std::size_t>(row)] = -1;
      return product_of_rows(embedding(table, ids), weight, bias);
    }
    add_products(*kept, product_of_rows(embedding(table, ids_of(missing)), weight, bias));
  }
  if (rows.empty()) return empty({0, weight.size(0)}, table.dtype());
  return embedding(slice(kept->products, 0, 0, kept->count), ids_of(places));
}

}  // namespace attune
