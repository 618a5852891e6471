// Scopes: the names that errors and pictures of the graph give to the parts of a model.
#include "autograd/scope.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "autograd/node.h"
#include "autograd/ops.h"
#include "tests/autograd/misuse.h"

namespace attune {
namespace {

std::string path() {
  return Scope::current().path();
}

TEST_CASE("scopes nest, and end where their objects do") {
  CHECK(path().empty());
  {
    const Scope encoder("encoder");
    CHECK(path() == "encoder");
    CHECK(Scope::current().name() == "encoder");
    {
      const Scope step("step", 3);
      CHECK(path() == "encoder.step3");
      CHECK(Scope::current().parent()->name() == "encoder");
    }
    CHECK(path() == "encoder");
  }
  CHECK(path().empty());
}

TEST_CASE("an exception ends a scope") {
  try {
    const Scope scope("lost");
    throw std::runtime_error("out");
  } catch (const std::runtime_error&) {
  }
  CHECK(path().empty());
}

TEST_CASE("a name opened twice is one scope, and can be reopened from elsewhere") {
  const ScopeName* first = nullptr;
  {
    const Scope outer("outer");
    const Scope inner("inner");
    first = &Scope::current();
  }
  {
    const Scope outer("outer");
    const Scope inner("inner");
    CHECK(&Scope::current() == first);
  }
  {
    const Scope other("inner");
    CHECK(&Scope::current() != first);
    const Scope reopened(first);
    CHECK(path() == "outer.inner");
  }
  CHECK(path().empty());
}

TEST_CASE("every thread has scopes of its own in one tree of names") {
  const Scope scope("here");
  std::vector<const ScopeName*> found(4);
  std::vector<std::string> outside(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < found.size(); ++i) {
    threads.emplace_back([&found, &outside, i] {
      outside[i] = path();
      for (std::size_t k = 0; k < 100; ++k) {
        const Scope shared("shared");
        const Scope step("step", k);
        found[i] = &Scope::current();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(outside[i].empty());
    CHECK(found[i] == found[0]);
    CHECK(found[i]->path() == "shared.step99");
  }
}

TEST_CASE("a node remembers the scope it was made in, and its rules run in it") {
  Tensor x = tensor({1, 2}).requires_grad_();
  Tensor y;
  {
    const Scope scope("decoder");
    y = x * 2;
  }
  CHECK(y.body().node->scope().path() == "decoder");
  std::string seen;
  y.register_hook([&seen](const Tensor&) {
    seen = path();
    return Tensor();
  });
  const Scope elsewhere("loss");
  sum(y).backward();
  CHECK(seen == "decoder");
  CHECK(path() == "loss");
}

TEST_CASE("errors name the scope they happened in") {
  const Tensor a = zeros({2});
  const Tensor b = zeros({3});
  const Scope encoder("encoder");
  const Scope attention("attention");
  testing::check_misuse([&] { return a + b; }, "(2 vs 3 in dimension -1), in encoder.attention, ");
}

}  // namespace
}  // namespace attune
