#include "autograd/fused/most_probable.h"

#include <fmt/format.h>

#include "autograd/kernels/softmax.h"
#include "autograd/op.h"

namespace attune {

MostProbable most_probable_composition(const Tensor& logits) {
  const Tensor x = logits.detach();
  return {argmax(x, 1), amax(x, {1}) - logsumexp(x, {1})};
}

MostProbable most_probable(Operand logits) {
  detail::check_floating("most_probable", logits);
  if (logits->rank() != 2 || logits->size(1) == 0) {
    misuse("most_probable", logits.site(),
           fmt::format("the logits are {}", to_string(logits->shape())),
           "They are [rows, classes], and there is at least one class.");
  }
  const Tensor x = logits->detach().contiguous();
  const std::int64_t rows = x.size(0);
  MostProbable found{empty({rows}, DType::int64), empty({rows}, x.dtype())};
  dispatch_floating(x.dtype(), [&]<class T>(T) {
    most_probable_rows(found.classes.raw<std::int64_t>(), found.log_probabilities.raw<T>(),
                       x.raw<T>(), rows, x.size(1));
  });
  return found;
}

}  // namespace attune
