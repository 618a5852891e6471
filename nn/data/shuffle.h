#pragma once
// A shuffle that gives the same order from the same generator everywhere, which std::shuffle does
// not promise.

#include <cstddef>
#include <utility>

#include "autograd/random.h"

namespace attune::data {

// Fisher and Yates's shuffle: every order of `items`, a vector, is equally likely.
template <typename Items>
void shuffle(Items& items, Generator& generator) {
  for (std::size_t left = items.size(); left > 1; --left) {
    const auto chosen = static_cast<std::size_t>(generator.below(left));
    std::swap(items[left - 1], items[chosen]);
  }
}

}  // namespace attune::data
