#include <algorithm>

#include "tests/conformance/functions.h"

namespace attune::conformance {
namespace {

// PyTorch lets a scalar pass for a row of one, and gives a scalar back.
Tensor as_row(const Tensor& x) {
  return x.rank() == 0 ? reshape(x, {1}) : x;
}
Tensor like(const Tensor& x, const Tensor& result) {
  return x.rank() == 0 ? reshape(result, {}) : result;
}

Results transpose_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  return {
      {like(x, transpose(as_row(x), a.attributes.integer("dim0"), a.attributes.integer("dim1")))}};
}

// -1 keeps the size.
Results expand_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  Shape shape(a.attributes.integers("shape"));
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const std::size_t added = shape.size() - std::min(shape.size(), x.rank());
    if (shape[d] == -1 && d >= added) shape[d] = x.shape()[d - added];
  }
  return {{expand(x, shape)}};
}

// A dimension that is not of size 1 stays. Without a dimension, all of size 1 go.
Results squeeze_of(const Arguments& a) {
  Tensor x = a.input(0);
  const bool all = !a.attributes.has("dim");
  const std::int64_t dim = a.attributes.integer("dim", 0);
  const std::int64_t rank = std::max<std::int64_t>(1, static_cast<std::int64_t>(x.rank()));
  for (auto d = static_cast<std::int64_t>(x.rank()); d-- > 0;) {
    if ((all || d == (dim + rank) % rank) && x.size(d) == 1) x = squeeze(x, d);
  }
  return {{x}};
}

Results slice_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  const std::int64_t dim = a.attributes.integer("dim", 0);
  return {{slice(x, dim, a.attributes.integer("start", 0), a.attributes.integer("end", x.size(dim)),
                 a.attributes.integer("step", 1))}};
}

Results flip_of(const Arguments& a) {
  Tensor x = as_row(a.input(0));
  for (const auto dim : a.attributes.integers("dim")) x = flip(x, dim);
  return {{like(a.input(0), x)}};
}

// A tensor of shape [0] joins with any, and adds nothing.
Results cat_of(const Arguments& a) {
  std::vector<Tensor> parts;
  for (const Tensor& x : a.inputs) {
    if (x.shape() != Shape{0}) parts.push_back(x);
  }
  return {{cat(parts.empty() ? a.inputs : parts, a.attributes.integer("dim", 0))}};
}

// One size is that of every piece but perhaps the last.
Results split_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  const std::int64_t dim = a.attributes.integer("dim", 0);
  std::vector<std::int64_t> sizes = a.attributes.integers("sizes");
  if (sizes.size() == 1 && sizes[0] > 0) {
    const std::int64_t piece = sizes[0];
    std::int64_t left = x.size(dim) - piece;
    sizes[0] = std::min(piece, x.size(dim));
    for (; left > 0; left -= piece) sizes.push_back(std::min(piece, left));
  }
  return {split(x, sizes, dim)};
}

Results index_select_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  return {{like(x, index_select(as_row(x), a.attributes.integer("dim"), as_row(a.input(1))))}};
}

Results gather_of(const Arguments& a) {
  const Tensor& index = a.input(1);
  return {{like(index, gather(as_row(a.input(0)), a.attributes.integer("dim"), as_row(index)))}};
}

// Of a source that is larger than the index, the part that is as large counts.
Results scatter_add_of(const Arguments& a) {
  const Tensor& x = a.input(0);
  const Tensor index = as_row(a.input(1));
  Tensor source = as_row(a.input(2));
  for (std::size_t d = 0; d < source.rank() && d < index.rank(); ++d) {
    const auto dim = static_cast<std::int64_t>(d);
    source = slice(source, dim, 0, index.size(dim));
  }
  return {{like(x, scatter_add(as_row(x), a.attributes.integer("dim"), index, source))}};
}

// A negative padding index counts from the last row.
Results embedding_of(const Arguments& a) {
  const Tensor& table = a.input(0);
  std::int64_t padding = -1;
  if (a.attributes.has("padding_idx")) padding = a.attributes.integer("padding_idx");
  if (a.attributes.has("padding_idx") && padding < 0) padding += table.size(0);
  return {{embedding(table, a.input(1), padding)}};
}

template <Tensor (*f)(Operand, std::int64_t)>
Results triangle(const Arguments& a) {
  return {{f(a.input(0), a.attributes.integer("diagonal", 0))}};
}

}  // namespace

Functions shapes() {
  return {
      {"reshape",
       [](const Arguments& a) -> Results {
         return {{reshape(a.input(0), Shape(a.attributes.integers("shape")))}};
       }},
      {"transpose", transpose_of},
      {"permute",
       [](const Arguments& a) -> Results {
         return {{permute(a.input(0), Dims(a.attributes.integers("dims")))}};
       }},
      {"expand", expand_of},
      {"squeeze", squeeze_of},
      {"unsqueeze",
       [](const Arguments& a) -> Results {
         return {{unsqueeze(a.input(0), a.attributes.integer("dim"))}};
       }},
      {"slice", slice_of},
      {"select",
       [](const Arguments& a) -> Results {
         return {{select(a.input(0), a.attributes.integer("dim"), a.attributes.integer("index"))}};
       }},
      {"flip", flip_of},
      {"cat", cat_of},
      {"stack",
       [](const Arguments& a) -> Results {
         return {{stack(a.inputs, a.attributes.integer("dim", 0))}};
       }},
      {"split", split_of},
      {"tril", triangle<tril>},
      {"triu", triangle<triu>},
      {"index_select", index_select_of},
      {"gather", gather_of},
      {"scatter_add", scatter_add_of},
      {"embedding", embedding_of},
  };
}

}  // namespace attune::conformance
