#pragma once
// A linear layer of embedded tokens, where nothing is recorded: tokens come again and again, and so
// do their products.

#include "autograd/tensor.h"

namespace attune {

// x W^T + b of rows x of a table [rows, in]: of those at `ids`, int64 [count] and each below
// `rows`, with a weight [out, in] and a bias [out] or undefined. -> [count, out]. Not recorded.
// Each row's product is computed once and kept until an element of the three changes, up to 64 MiB
// of them. Its bits do not depend on the rows it was computed with. Error for an id that is no row,
// and where shapes or types do not fit.
Tensor linear_of_rows(const Tensor& table, const Tensor& ids, const Tensor& weight,
                      const Tensor& bias);

// The same in ordinary ops, which define it.
Tensor linear_of_rows_composition(const Tensor& table, const Tensor& ids, const Tensor& weight,
                                  const Tensor& bias);

}  // namespace attune
