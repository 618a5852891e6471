#include "nn/embedding.h"

#include <algorithm>
#include <vector>

#include "autograd/fused/linear_of_rows.h"

namespace attune::nn {

Vectors::Vectors(Tensor whole) : vectors_(std::move(whole)) {}

Vectors::Vectors(Tensor distinct, Tensor places)
    : vectors_(std::move(distinct)), places_(std::move(places)) {}

Tensor Vectors::whole() const {
  return places_.defined() ? embedding(vectors_, places_) : vectors_;
}

Tensor Vectors::linear_of(const Steps& steps, const Tensor& weight, const Tensor& bias) const {
  if (!places_.defined()) return linear(pack(vectors_, steps), weight, bias);
  const Tensor of_steps = pack(places_, steps);
  if (!grad_enabled()) return linear_of_rows(vectors_, of_steps, weight, bias);
  return embedding(linear(vectors_, weight, bias), of_steps);
}

Vectors Embedding::vectors(const Tensor& ids) const {
  const std::vector<std::int64_t> all = ids.to_vector<std::int64_t>();
  const auto exists = [&](std::int64_t id) { return id >= 0 && id < weight.size(0); };
  // forward() knows how to say that an id is wrong.
  if (!std::all_of(all.begin(), all.end(), exists)) return forward(ids);
  if (!grad_enabled()) return {weight, ids};
  std::vector<std::int64_t> distinct, places;
  std::vector<std::int64_t> place_of(static_cast<std::size_t>(weight.size(0)), -1);
  for (const std::int64_t id : all) {
    std::int64_t& place = place_of[static_cast<std::size_t>(id)];
    if (place < 0) {
      place = static_cast<std::int64_t>(distinct.size());
      distinct.push_back(id);
    }
    places.push_back(place);
  }
  // To gather the results costs a part of computing them.
  if (2 * distinct.size() > places.size()) return forward(ids);
  const Shape count{static_cast<std::int64_t>(distinct.size())};
  return {forward(from_vector(distinct, count)), from_vector(places, ids.shape())};
}

}  // namespace attune::nn
