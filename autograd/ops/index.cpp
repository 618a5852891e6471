// Reading and adding at positions given by int64 tensors. Each op that reads has an adjoint that
// adds, and each is the other's derivative.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "autograd/kernels/parallel.h"
#include "autograd/ops/along.h"

namespace attune {
namespace {

// Slices, and columns of an embedding, that are worth a thread's while.
constexpr std::int64_t slabs_a_chunk = 64;
constexpr std::int64_t columns_a_chunk = 32;

// Checks every index against the size it indexes, and returns them as contiguous memory.
Tensor checked(const char* op, Operand index, std::int64_t size, const char* what) {
  if (index->dtype() != DType::int64) {
    misuse(op, index.site(),
           fmt::format("the {} is {} {}, and must be int64", what, name(index->dtype()),
                       to_string(index->shape())));
  }
  Tensor flat = index->contiguous();
  const std::int64_t* const begin = flat.data<std::int64_t>();
  const std::int64_t* const end = begin + flat.numel();
  const std::int64_t* const bad =
      std::find_if(begin, end, [size](std::int64_t i) { return i < 0 || i >= size; });
  if (bad != end) {
    misuse(op, index.site(),
           fmt::format("{} {} (element {} of {}) is out of range: there are {}, counted from 0",
                       what, *bad, bad - begin, to_string(index->shape()), size));
  }
  return flat;
}

void check_alike(const char* op, Operand x, const Shape& other, std::size_t but_for,
                 const char* what) {
  bool fits = other.size() == x->rank();
  for (std::size_t d = 0; fits && d < other.size(); ++d) {
    fits = d == but_for || other[d] <= x->shape()[d];
  }
  if (!fits) {
    misuse(op, x.site(),
           fmt::format("the {} {} does not fit into {} (it may differ in dimension {} only)", what,
                       to_string(other), to_string(x->shape()), but_for));
  }
}

// Calls f(place in x, place in the index) for every element of an index for gather or scatter_add.
template <class F>
void for_gathered(const Shape& x, const Tensor& index, std::size_t dim, F f) {
  const Strides strides = contiguous_strides(x);
  const Shape& shape = index.shape();
  const std::int64_t* const at = index.data<std::int64_t>();
  for (std::int64_t i = 0; i < index.numel(); ++i) {
    std::int64_t rest = i;
    std::int64_t place = at[i] * strides[dim];
    for (std::size_t d = shape.size(); d-- > 0; rest /= shape[d]) {
      if (d != dim) place += rest % shape[d] * strides[d];
    }
    f(place, i);
  }
}

}  // namespace

Tensor gather(Operand x, std::int64_t dim, Operand index) {
  const std::size_t d = wrap_dim("gather", x.site(), dim, x->rank());
  check_alike("gather", x, index->shape(), d, "index");
  const Tensor at = checked("gather", index, x->shape()[d], "index");
  const Tensor from = x->detach().contiguous();
  Tensor value = empty(index->shape(), x->dtype());
  dispatch(x->dtype(), [&]<class T>(T) {
    for_gathered(x->shape(), at, d, [in = from.raw<T>(), out = value.raw<T>()](auto place, auto i) {
      out[i] = in[place];
    });
  });
  return apply("gather", {x}, std::move(value),
               wrt(x, [at = save(at), shape = x->shape(), dim](const Tensor& g) {
                 return scatter_add(zeros(shape, g.dtype()), dim, at(), g);
               }));
}

Tensor scatter_add(Operand x, std::int64_t dim, Operand index, Operand source) {
  const std::size_t d = wrap_dim("scatter_add", x.site(), dim, x->rank());
  detail::check_same_dtype("scatter_add", x, source);
  check_alike("scatter_add", x, index->shape(), d, "index");
  if (source->shape() != index->shape()) {
    misuse("scatter_add", x.site(),
           fmt::format("the source {} and the index {} differ in shape", to_string(source->shape()),
                       to_string(index->shape())));
  }
  const Tensor at = checked("scatter_add", index, x->shape()[d], "index");
  const Tensor from = source->detach().contiguous();
  Tensor value = x->detach().clone();
  dispatch_numeric(x->dtype(), [&]<class T>(T) {
    for_gathered(x->shape(), at, d, [in = from.raw<T>(), out = value.raw<T>()](auto place, auto i) {
      out[place] += in[i];
    });
  });
  return apply("scatter_add", {x, source}, std::move(value),
               wrt(x, [](const Tensor& g) { return g; }),
               wrt(source, [at = save(at), dim](const Tensor& g) { return gather(g, dim, at()); }));
}

Tensor index_select(Operand x, std::int64_t dim, Operand index) {
  const std::size_t d = wrap_dim("index_select", x.site(), dim, x->rank());
  if (index->rank() != 1) {
    misuse("index_select", x.site(),
           fmt::format("the index has shape {}, and must have one dimension",
                       to_string(index->shape())));
  }
  const Tensor at = checked("index_select", index, x->shape()[d], "index");
  const Tensor from = x->detach().contiguous();
  Shape shape = x->shape();
  shape[d] = index->numel();
  Tensor value = empty(shape, x->dtype());
  const detail::Around around(x->shape(), d);
  const auto slab = static_cast<std::size_t>(around.inner) * item_size(x->dtype());
  const std::int64_t count = at.numel();
  parallel_for(around.outer * count, slabs_a_chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = i / count * around.n + at.data<std::int64_t>()[i % count];
      std::copy_n(from.bytes() + static_cast<std::size_t>(row) * slab, slab,
                  value.bytes() + static_cast<std::size_t>(i) * slab);
    }
  });
  return apply("index_select", {x}, std::move(value),
               wrt(x, [at = save(at), shape = x->shape(), dim](const Tensor& g) {
                 return index_add(zeros(shape, g.dtype()), dim, at(), g);
               }));
}

namespace {

// Adds slice k of `from` to slice at[k] of x along dimension d; both are contiguous.
void add_slices(const Tensor& x, std::size_t d, const Tensor& at, const Tensor& from) {
  const detail::Around around(x.shape(), d);
  dispatch_numeric(x.dtype(), [&]<class T>(T) {
    const T* in = from.raw<T>();
    for (std::int64_t o = 0; o < around.outer; ++o) {
      for (std::int64_t k = 0; k < at.numel(); ++k, in += around.inner) {
        T* const row = x.raw<T>() + (o * around.n + at.data<std::int64_t>()[k]) * around.inner;
        for (std::int64_t i = 0; i < around.inner; ++i) row[i] += in[i];
      }
    }
  });
}

}  // namespace

Tensor index_add(Operand x, std::int64_t dim, Operand index, Operand source) {
  const std::size_t d = wrap_dim("index_add", x.site(), dim, x->rank());
  detail::check_same_dtype("index_add", x, source);
  Shape wanted = x->shape();
  wanted[d] = index->numel();
  if (index->rank() != 1 || source->shape() != wanted) {
    misuse("index_add", x.site(),
           fmt::format("an index {} and a source {} do not fit dimension {} of {}",
                       to_string(index->shape()), to_string(source->shape()), dim,
                       to_string(x->shape())),
           "The index has one dimension, and the source as many slices as the index has elements.");
  }
  const Tensor at = checked("index_add", index, x->shape()[d], "index");
  Tensor value = x->detach().clone();
  add_slices(value, d, at, source->detach().contiguous());
  return apply(
      "index_add", {x, source}, std::move(value), wrt(x, [](const Tensor& g) { return g; }),
      wrt(source, [at = save(at), dim](const Tensor& g) { return index_select(g, dim, at()); }));
}

namespace {

// What sum_by_id() does with a row.
enum class Take : char { none, first, more };

// Columns of sum_by_id().
template <class T>
struct IdSums {
  const T* rows;
  T* table;
  const std::int64_t* id;
  const Take* take;
  std::int64_t count, features, columns;

  static void run(const IdSums* task) {
    const auto [rows, table, id, take, count, features, columns] = *task;
    for (std::int64_t k = 0; k < count; ++k) {
      const T* __restrict in = rows + k * features;
      T* __restrict out = table + id[k] * features;
      if (take[k] == Take::first) std::copy_n(in, columns, out);
      if (take[k] != Take::more) continue;
      for (std::int64_t i = 0; i < columns; ++i) out[i] += in[i];
    }
  }
};

// The derivative of embedding(): a table of which row i is the sum of the rows whose id is i; none
// is added where the id is `padding_id`.
Tensor sum_by_id(const Tensor& rows, const Tensor& ids, const Shape& table,
                 std::int64_t padding_id) {
  const Tensor from = rows.detach().contiguous();
  Tensor value = empty(table, rows.dtype());
  const auto* const id = ids.data<std::int64_t>();
  const std::int64_t features = table[1];
  WrittenRows written{static_cast<std::size_t>(features) * item_size(rows.dtype()),
                      std::vector<bool>(static_cast<std::size_t>(table[0]))};
  std::vector<Take> take;
  for (std::int64_t k = 0; k < ids.numel(); ++k) {
    if (id[k] == padding_id) {
      take.push_back(Take::none);
      continue;
    }
    auto row = written.written[static_cast<std::size_t>(id[k])];
    take.push_back(row ? Take::more : Take::first);
    row = true;
  }
  // Each thread takes some columns of all rows, so that sums are always in the same order.
  const std::int64_t columns = std::max(columns_a_chunk, features / 4);
  dispatch_numeric(rows.dtype(), [&]<class T>(T) {
    parallel_for(features, columns, [&](std::int64_t begin, std::int64_t end) {
      const IdSums<T> task{from.raw<T>() + begin,
                           value.raw<T>() + begin,
                           id,
                           take.data(),
                           ids.numel(),
                           features,
                           end - begin};
      vectorised<IdSums<T>>(&task);
    });
  });
  value.handle()->storage->leave_unwritten(std::move(written));
  return apply("sum_by_id", {rows}, std::move(value),
               wrt(rows, [ids = save(ids), padding_id](const Tensor& g) {
                 const Tensor chosen = index_select(g, 0, ids());
                 if (padding_id < 0) return chosen;
                 return masked_fill(chosen, unsqueeze(eq(ids(), padding_id), 1), 0);
               }));
}

}  // namespace

Tensor embedding(Operand table, Operand ids, std::int64_t padding_id) {
  if (table->rank() != 2) {
    misuse("embedding", table.site(),
           fmt::format("the table has shape {}, and must be [rows, features]",
                       to_string(table->shape())));
  }
  const Tensor flat = reshape({checked("embedding", ids, table->size(0), "id"), ids.site()}, {-1});
  Shape shape = ids->shape();
  shape.push_back(table->size(1), ids.site());
  Tensor value = reshape(index_select(table->detach(), 0, flat), shape);
  return apply("embedding", {table}, std::move(value),
               wrt(table, [ids = save(flat), from = table->shape(), padding_id](const Tensor& g) {
                 const Tensor rows = reshape(g, {ids().numel(), from[1]});
                 return sum_by_id(rows, ids(), from, padding_id);
               }));
}

}  // namespace attune
