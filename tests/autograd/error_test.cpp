// What errors say: op, what is wrong, scope, the caller's line, remedy.
#include "autograd/error.h"

#include <doctest/doctest.h>

#include <string>
#include <type_traits>

#include "autograd/ops.h"
#include "autograd/scope.h"
#include "tests/autograd/misuse.h"

namespace attune {
namespace {

using testing::check_misuse;

// "error_test.cpp:42", for the line of the call.
std::string site_of_call(Site site = Site::current()) {
  return to_string(site);
}

TEST_CASE("a site is the file's name and the line") {
  CHECK(site_of_call() == "error_test.cpp:" + std::to_string(__LINE__));
}

TEST_CASE("misuse() puts the sentence together") {
  static_assert(std::is_base_of_v<std::runtime_error, Error>);
  const Site site = Site::current();
  const std::string called = ", called at " + to_string(site) + ".";
  const auto said = [&](const auto&... arguments) -> std::string {
    try {
      misuse("matmul", site, arguments...);
    } catch (const Error& error) {
      return error.what();
    }
  };
  CHECK(said("the inner sizes differ") == "matmul: the inner sizes differ" + called);
  CHECK(said("the inner sizes differ", "Transpose b.") ==
        "matmul: the inner sizes differ" + called + " Transpose b.");
  CHECK(said("the inner sizes differ", "", " [2]\n [3]") ==
        "matmul: the inner sizes differ" + called + "\n [2]\n [3]");
  const Scope encoder("encoder");
  CHECK(said("the inner sizes differ") == "matmul: the inner sizes differ, in encoder" + called);
}

TEST_CASE("errors name the line of the user's code, through operators, methods and ops of ops") {
  const Tensor a = zeros({2, 3});
  const Tensor b = zeros({4});
  check_misuse([&] { return a + b; }, "add: ");
  check_misuse([&] { return a - b; }, "sub: ");
  check_misuse([&] { return a * b; }, "mul: ");
  check_misuse([&] { return a / b; }, "div: ");
  check_misuse([&] { return a < b; }, "lt: ");
  check_misuse([&] { return matmul(a, b); }, "matmul: ");
  check_misuse([&] { return -zeros({1}, DType::boolean); }, "neg: ");
  check_misuse([&] { return select(a, 0, 5); }, "select: ");
  check_misuse([&] { return reshape(a, {4, -1}); }, "reshape: ");
  check_misuse([&] { return reshape(a, {-1, -1}); }, "reshape: ");
  check_misuse([&] { return a.item(); }, "item: ");
  check_misuse([&] { return embedding(a, b); }, "embedding: ");
  check_misuse([&] { return where(a, a, a); }, "where: ");
  check_misuse([&] { return stack({a, b}); }, "stack: ");
}

TEST_CASE("an expression over several lines names the line of the operand") {
  const Tensor a = zeros({2});
  const Tensor b = zeros({3});
  const int first = __LINE__ + 3;
  std::string message;
  try {
    const Tensor c = a  //
                     + b;
  } catch (const Error& error) {
    message = error.what();
  }
  const bool found = message.find("error_test.cpp:" + std::to_string(first)) != message.npos ||
                     message.find("error_test.cpp:" + std::to_string(first + 1)) != message.npos;
  CHECK_MESSAGE(found, message);
}

TEST_CASE("joining tensors of unequal sizes draws them, but marks no size that may differ") {
  const Tensor a = zeros({2, 3, 4});
  const Tensor b = zeros({7, 3, 5});
  const auto said = [](const auto& f) {
    try {
      f();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string of_cat = said([&] { cat({a, b}, 0); });
  CHECK(of_cat.starts_with("cat: tensor 1 is float32 [7, 3, 5], which does not fit the first, "));
  CHECK(
      of_cat.ends_with("All sizes but that of the joined dimension must be equal.\n [7, 3, 5]\n "
                       "[2, 3, 4]\n        ^"));
  CHECK(said([&] {
          stack({a, b});
        }).ends_with("All sizes must be equal.\n [7, 3, 5]\n [2, 3, 4]\n  ^     ^"));
  CHECK(said([&] { cat({a, zeros({3, 4})}, 0); }).ends_with("\n    [3, 4]\n [2, 3, 4]\n  ^"));
  CHECK(said([&] {
          cat({a, zeros({2, 3, 4}, DType::float64)}, 0);
        }).ends_with("Convert one of them with .to()."));
}

}  // namespace
}  // namespace attune
