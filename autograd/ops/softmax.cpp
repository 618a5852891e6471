// Softmax and its logarithm. The kernels work along the last dimension; another is moved there.

#include "autograd/kernels/softmax.h"

#include "autograd/ops/along.h"

namespace attune {
namespace {

template <class Kernel>
Tensor along(const Tensor& x, std::size_t dim, Kernel kernel) {
  const auto d = static_cast<std::int64_t>(dim);
  const bool last = dim + 1 == x.rank();
  const Tensor rows = last ? x.detach().contiguous() : transpose(x.detach(), d, -1).contiguous();
  Tensor result = empty(rows.shape(), x.dtype());
  const std::int64_t n = rows.size(-1);
  if (n > 0) kernel(result, rows, rows.numel() / n, n);
  return last ? result : transpose(result, d, -1).contiguous();
}

}  // namespace

Tensor softmax(Operand x, std::int64_t dim) {
  detail::check_floating("softmax", x);
  if (x->rank() == 0) {
    return detail::of_scalar(x, [dim](Operand row) { return softmax(row, dim); });
  }
  const std::size_t d = wrap_dim("softmax", x.site(), dim, x->rank());
  Tensor y =
      along(*x, d, [](const Tensor& out, const Tensor& in, std::int64_t rows, std::int64_t n) {
        dispatch_floating(in.dtype(),
                          [&]<class T>(T) { softmax_rows(out.raw<T>(), in.raw<T>(), rows, n); });
      });
  auto kept = save_output(y);
  return apply("softmax", {x}, std::move(y), wrt(x, [y = std::move(kept), dim](const Tensor& g) {
                 const Tensor weighted = g * y();
                 return weighted - y() * sum(weighted, {dim}, true);
               }));
}

Tensor log_softmax(Operand x, std::int64_t dim) {
  detail::check_floating("log_softmax", x);
  if (x->rank() == 0) {
    return detail::of_scalar(x, [dim](Operand row) { return log_softmax(row, dim); });
  }
  const std::size_t d = wrap_dim("log_softmax", x.site(), dim, x->rank());
  Tensor y =
      along(*x, d, [](const Tensor& out, const Tensor& in, std::int64_t rows, std::int64_t n) {
        dispatch_floating(
            in.dtype(), [&]<class T>(T) { log_softmax_rows(out.raw<T>(), in.raw<T>(), rows, n); });
      });
  auto kept = save_output(y);
  return apply("log_softmax", {x}, std::move(y),
               wrt(x, [y = std::move(kept), dim](const Tensor& g) {
                 return g - exp(y()) * sum(g, {dim}, true);
               }));
}

}  // namespace attune
