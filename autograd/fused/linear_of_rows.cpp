#include "autograd/fused/linear_of_rows.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "autograd/ops.h"
#include "autograd/packing.h"

namespace attune {

Tensor linear_of_rows_composition(const Tensor& table, const Tensor& ids, const Tensor& weight,
                                  const Tensor& bias) {
  return linear(embedding(table, ids), weight, bias);
}

namespace {

constexpr std::int64_t most_bytes_of_products = std::int64_t{64} << 20;

// One lock for all tables: products are found, and the missing ones made, by one thread at a time.
std::mutex& mutex_of_products() {
  static std::mutex one;
  return one;
}

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

// The products of that table that are kept with the weight; those of one that changed since make
// room for them.
std::shared_ptr<ProductsOfRows> products_of(const Tensor& table, const Tensor& weight,
                                            const Tensor& bias) {
  const auto none = [&] {
    return ProductsOfRows{Unchanged(table), Unchanged(bias),
                          std::vector<std::int64_t>(static_cast<std::size_t>(table.size(0)), -1),
                          Tensor()};
  };
  const auto kept = std::static_pointer_cast<ProductsOfRows>(detail::kept(
      weight, typeid(ProductsOfRows), [&] { return std::make_shared<ProductsOfRows>(none()); }));
  if (!kept->table.is(table) || !kept->bias.is(bias)) *kept = none();
  return kept;
}

// The rows that have no product yet, each once.
std::vector<std::int64_t> missing_of(const ProductsOfRows& kept,
                                     const std::vector<std::int64_t>& rows) {
  std::vector<std::int64_t> missing;
  for (const std::int64_t row : rows) {
    if (kept.place_of[static_cast<std::size_t>(row)] < 0) missing.push_back(row);
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  return missing;
}

// Rows get their places last, so that none has one without a product if memory runs out.
void add_products(ProductsOfRows& kept, const std::vector<std::int64_t>& rows,
                  const Tensor& products) {
  const std::int64_t room = kept.products.defined() ? kept.products.size(0) : 0;
  const std::int64_t count = kept.count + products.size(0);
  if (count > room) {
    const Tensor more = empty({std::max(count, 2 * room), products.size(1)}, products.dtype());
    if (kept.count > 0) slice(more, 0, 0, kept.count).copy_(slice(kept.products, 0, 0, kept.count));
    kept.products = more;
  }
  slice(kept.products, 0, kept.count, count).copy_(products);
  for (const std::int64_t row : rows) {
    kept.place_of[static_cast<std::size_t>(row)] = kept.count++;
  }
}

// Whether ordinary ops would find nothing wrong with these; they know how to say it.
bool fit(const Tensor& table, const std::vector<std::int64_t>& rows, const Tensor& weight,
         const Tensor& bias) {
  if (table.rank() != 2 || weight.rank() != 2 || weight.size(1) != table.size(1)) return false;
  if (weight.dtype() != table.dtype() || !is_floating(table.dtype())) return false;
  if (bias.defined() && (bias.dtype() != table.dtype() || bias.shape() != Shape{weight.size(0)})) {
    return false;
  }
  return std::all_of(rows.begin(), rows.end(),
                     [&](std::int64_t row) { return row >= 0 && row < table.size(0); });
}

}  // namespace

Tensor linear_of_rows(const Tensor& table, const Tensor& ids, const Tensor& weight,
                      const Tensor& bias) {
  const NoGrad no_grad;
  const std::vector<std::int64_t> rows = ids.to_vector<std::int64_t>();
  if (!fit(table, rows, weight, bias)) {
    return linear_of_rows_composition(table, ids, weight, bias);
  }
  // What is kept with a storage must not hold it.
  const auto shared = [&](const Tensor& x) {
    return x.defined() && x.handle()->storage == weight.handle()->storage;
  };
  if (shared(table) || shared(bias)) {
    return product_of_rows(embedding(table, ids), weight, bias);
  }
  const std::lock_guard lock(mutex_of_products());
  const auto kept = products_of(table, weight, bias);
  const auto ids_of = [](const std::vector<std::int64_t>& values) {
    return from_vector(values, {static_cast<std::int64_t>(values.size())});
  };
  const std::vector<std::int64_t> missing = missing_of(*kept, rows);
  if (!missing.empty()) {
    const auto size = static_cast<std::int64_t>(item_size(table.dtype())) * weight.size(0);
    if ((kept->count + static_cast<std::int64_t>(missing.size())) * size > most_bytes_of_products) {
      return product_of_rows(embedding(table, ids), weight, bias);
    }
    add_products(*kept, missing, product_of_rows(embedding(table, ids_of(missing)), weight, bias));
  }
  if (rows.empty()) return empty({0, weight.size(0)}, table.dtype());
  std::vector<std::int64_t> places;
  for (const std::int64_t row : rows) {
    places.push_back(kept->place_of[static_cast<std::size_t>(row)]);
  }
  return embedding(slice(kept->products, 0, 0, kept->count), ids_of(places));
}

}  // namespace attune
