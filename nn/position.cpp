#include "nn/position.h"

#include <cmath>

#include "autograd/ops.h"

namespace attune::nn {
namespace {

// t / 10000^(2 i / features) for i below features / 2, rounded up: [time, pairs].
Tensor angles(std::int64_t time, std::int64_t features, std::int64_t first) {
  std::vector<double> values;
  for (std::int64_t t = first; t < first + time; ++t) {
    for (std::int64_t i = 0; 2 * i < features; ++i) {
      const double share = 2 * static_cast<double>(i) / static_cast<double>(features);
      values.push_back(static_cast<double>(t) / std::pow(10000.0, share));
    }
  }
  return from_vector(values, {time, (features + 1) / 2});
}

}  // namespace

Tensor sinusoidal_positions(std::int64_t time, std::int64_t features, std::int64_t first,
                            DType dtype) {
  const Tensor angle = angles(time, features, first);
  const Tensor both = stack({sin(angle), cos(angle)}, -1);  // [time, pairs, 2]
  const Tensor all = reshape(both, {time, 2 * angle.size(1)});
  return slice(all, 1, 0, features).contiguous().to(dtype);
}

Tensor rotary(const Tensor& x, std::int64_t first) {
  const std::int64_t features = x.size(-1);
  if (features % 2 != 0) {
    throw Error("rotary: the features are turned in pairs, so their number must be even.");
  }
  const Tensor angle = angles(x.size(-2), features, first).to(x.dtype());
  const Tensor left = slice(x, -1, 0, features / 2);
  const Tensor right = slice(x, -1, features / 2, features);
  const Tensor c = cos(angle), s = sin(angle);
  return cat({left * c - right * s, left * s + right * c}, -1);
}

}  // namespace attune::nn
