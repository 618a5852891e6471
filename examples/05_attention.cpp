// Attention in five lines, on a memory that can be read with the eye: three things with a key and a
// value each, and queries that ask for them.

#include <fmt/format.h>

#include <cmath>
#include <string>

#include "autograd/ops.h"

namespace {

using namespace attune;

struct Attended {
  Tensor context, weights;
};

// A weighted mean of the values, the weights being how well each key answers the query.
Attended attention(const Tensor& queries, const Tensor& keys, const Tensor& values) {
  const double size = static_cast<double>(queries.size(-1));
  const Tensor scores = matmul(queries, transpose(keys)) / std::sqrt(size);  // [queries, keys]
  const Tensor weights = softmax(scores);                                    // rows sum to 1
  return {matmul(weights, values), weights};  // [queries, value size]
}

std::string bar(double share) {
  return std::string(static_cast<std::size_t>(std::lround(30 * share)), '#');
}

}  // namespace

int main() {
  const char* const names[] = {"sky", "grass", "fire"};
  const Tensor keys = tensor({{4, 0, 0}, {0, 4, 0}, {0, 0, 4}});
  const Tensor colours = tensor({{0.2, 0.4, 1}, {0.1, 0.8, 0.1}, {1, 0.3, 0}});  // red, green, blue
  const Tensor queries = tensor({{3, 0, 0}, {0, 1, 1}, {0, 0, 0}}).requires_grad_();
  const char* const meanings[] = {"asks for the sky", "asks for grass or fire, mildly",
                                  "asks for nothing"};

  const Attended seen = attention(queries, keys, colours);
  for (std::int64_t q = 0; q < 3; ++q) {
    fmt::print("The query {} {}:\n", to_string(select(queries.detach(), 0, q)), meanings[q]);
    for (std::int64_t k = 0; k < 3; ++k) {
      const double weight = seen.weights.at({q, k});
      fmt::print("  {:<6} {:.3f} {}\n", names[k], weight, bar(weight));
    }
    fmt::print("  context {}\n", to_string(select(seen.context.detach(), 0, q)));
  }

  // It is differentiable in all three, and so can be learnt: which way must the first query move to
  // see more red?
  select(select(seen.context, 0, 0), 0, 0).backward();
  const Tensor by_query = select(queries.grad(), 0, 0);
  fmt::print("\nTo see more red, the first query moves along {}: towards fire.\n",
             to_string(by_query));
  return by_query.at({2}) > 0 && by_query.at({0}) < 0 ? 0 : 1;
}
