// What the runner says of cases that do not agree, of ops it does not know, and of files that are
// no cases.

#include <doctest/doctest.h>

#include <sstream>

#include "nn/safetensors.h"
#include "tests/conformance/report.h"
#include "tests/folder.h"

using namespace attune;

namespace {

using Tensors = std::vector<std::pair<std::string, Tensor>>;

Tensor row(std::initializer_list<NestedNumbers> numbers) {
  return tensor(numbers, DType::float64);
}

// y = 2 x with gradient 3: x is 1, 2.
const Tensors doubling{{"in.0", row({1, 2})},
                       {"in.1", row({2, 2})},
                       {"out.0", row({2, 4})},
                       {"grad_out.0", row({3, 3})},
                       {"grad_in.0", row({6, 6})}};

Tensors with(Tensors tensors, const std::string& name, const Tensor& other) {
  for (auto& [key, tensor] : tensors) {
    if (key == name) tensor = other;
  }
  return tensors;
}

struct Ran {
  bool agrees;
  doctest::String text;
};

Ran run(const std::string& op, const Tensors& tensors, const std::string& attrs = "{}") {
  const Folder folder;
  nn::save_safetensors(folder.path("a.safetensors"),
                       {tensors, {{"op", op}, {"attrs", attrs}, {"source", "by hand"}}});
  std::ostringstream out;
  const bool agrees = conformance::report(folder.path(), out);
  return {agrees, out.str().c_str()};
}

void check_fails(const Ran& ran, const char* why) {
  CHECK_FALSE(ran.agrees);
  CHECK(ran.text == doctest::Contains(why));
}

}  // namespace

TEST_CASE("a case that agrees passes, and stands in the table") {
  const Ran ran = run("mul", doubling);
  CAPTURE(ran.text);
  CHECK(ran.agrees);
  CHECK(ran.text == doctest::Contains("\nmul  "));
  CHECK_FALSE(ran.text == doctest::Contains("FAILED"));
}

TEST_CASE("a wrong value, gradient or shape fails") {
  check_fails(run("mul", with(doubling, "out.0", row({2, 4.000001}))),
              "FAILED a.safetensors, float64: element 1 of out.0 [2] is 4, not 4.000001");
  check_fails(run("mul", with(doubling, "grad_in.0", row({6, 5}))),
              "element 1 of grad_in.0 [2] is 6, not 5");
  check_fails(run("mul", with(doubling, "out.0", row({2}))), "out.0 has shape [2], not [1]");
  check_fails(run("mul", with(doubling, "out.0", row({2, NAN}))), "is 4, not nan");
}

TEST_CASE("a value that is nearly right passes") {
  CHECK(run("mul", with(doubling, "out.0", row({2, 4.0000002}))).agrees);
}

TEST_CASE("an unknown op fails") {
  check_fails(run("frobnicate", doubling), "'frobnicate' is no op that attune knows");
  check_fails(run("optim.Frobnicate", doubling), "'optim.Frobnicate' is no op that attune knows");
}

TEST_CASE("a case that does not say enough fails, and says what is missing") {
  check_fails(run("softmax", {{"out.0", row({1})}}), "there is no in.0");
  check_fails(run("cumsum", doubling), "attribute 'dim' is missing");
  check_fails(run("cumsum", doubling, R"({"dim": "last"})"), "attribute 'dim' must be an integer");
  check_fails(run("mul", doubling, "dim: 3"), "its attrs are no JSON object");
  check_fails(run("mul", {{"in.1", row({1})}}), "there is in.1, but not every input before it");
  check_fails(run("mul", {{"inn.0", row({1})}}), "'inn.0' is no tensor of a conformance case");
  check_fails(run("mul", {{"grad_in.0", row({1})}}), "there is grad_in.0, but no in.0");
}

TEST_CASE("a file that is no safetensors file fails, and those beside it are run") {
  const Folder folder;
  folder.write("bad.safetensors", "no tensors");
  nn::save_safetensors(folder.path("good.safetensors"),
                       {doubling, {{"op", "mul"}, {"attrs", "{}"}, {"source", "by hand"}}});
  std::ostringstream out;
  CHECK_FALSE(conformance::report(folder.path(), out));
  const doctest::String text = out.str().c_str();
  CHECK(text == doctest::Contains("bad.safetensors: this is no safetensors file"));
  CHECK(text == doctest::Contains("\nmul  "));
}

TEST_CASE("a folder without cases, and no folder, are errors") {
  const Folder folder;
  std::ostringstream out;
  CHECK_THROWS_WITH_AS(conformance::report(folder.path(), out),
                       doctest::Contains("there is no .safetensors file"), Error);
  CHECK_THROWS_WITH_AS(conformance::report(folder.path("none"), out),
                       doctest::Contains("this is no directory"), Error);
}

TEST_CASE("infinities and NaN of Python's json are numbers") {
  const Tensors filled{{"in.0", row({1, 2})},
                       {"in.1", tensor({1, 0}, DType::int64)},
                       {"out.0", row({-INFINITY, 2})}};
  Tensors masked = filled;
  masked[1].second = gt(masked[1].second, 0);
  CHECK(run("masked_fill", masked, R"({"value": -Infinity})").agrees);
}
