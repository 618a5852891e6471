// Every public op against the gradcheck table: none is missing, and every derivative is right, in
// first and second order, for random shapes and layouts.

#include "autograd/ops.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "tests/autograd/gradcheck_table.h"

namespace attune::testing {
namespace {

constexpr int rounds = 50;

// Ops without a derivative; tests/autograd/ops/ tests their values.
const std::set<std::string> without_derivative{
    "eq(Operand, Operand)", "eq(Operand, Scalar)", "ne(Operand, Operand)", "ne(Operand, Scalar)",
    "lt(Operand, Operand)", "lt(Operand, Scalar)", "le(Operand, Operand)", "le(Operand, Scalar)",
    "gt(Operand, Operand)", "gt(Operand, Scalar)", "ge(Operand, Operand)", "ge(Operand, Scalar)",
    "logical_not",          "logical_and",         "logical_or",           "argmax"};

// The text of a header without its comments, preprocessor lines and empty braces.
std::string code_of(const std::string& path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::string code;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('#')) code += line.substr(0, line.find("//")) + ' ';
  }
  for (std::size_t at; (at = code.find("{}")) != std::string::npos;) code.erase(at, 2);
  return code;
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? ""
                                    : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

// "Operand x, double low = 0" -> "Operand, double".
std::string types_of(const std::string& parameters) {
  std::string types;
  std::istringstream list(parameters);
  for (std::string parameter; std::getline(list, parameter, ',');) {
    const std::string named = trimmed(parameter.substr(0, parameter.find('=')));
    types += (types.empty() ? "" : ", ") + trimmed(named.substr(0, named.rfind(' ')));
  }
  return types;
}

// The functions that ops.h declares and does not define (those are operators, made of the others),
// named as in the table: every statement that ends with a parenthesis, but for returns.
std::vector<std::string> declared_ops() {
  std::vector<std::pair<std::string, std::string>> found;
  std::istringstream code(code_of(ATTUNE_SOURCE_DIR "/autograd/ops.h"));
  for (std::string text; std::getline(code, text, ';');) {
    const std::string statement = trimmed(text.substr(text.find_last_of("{}") + 1));
    const std::size_t open = statement.find('(');
    if (!statement.ends_with(')') || statement.starts_with("return")) continue;
    const std::string declarator = statement.substr(0, open);
    found.emplace_back(declarator.substr(declarator.rfind(' ') + 1),
                       types_of(statement.substr(open + 1, statement.size() - open - 2)));
  }
  std::map<std::string, int> overloads;
  for (const auto& [name, types] : found) ++overloads[name];
  std::vector<std::string> ops;
  for (const auto& [name, types] : found) {
    ops.push_back(overloads[name] == 1 ? name : name + "(" + types + ")");
  }
  return ops;
}

std::string describe(const Row& row, const Example& example, std::uint64_t seed, int round) {
  std::string text = fmt::format("{} {}: ATTUNE_TEST_SEED={}, round {}, of", row.op,
                                 example.arguments, seed, round);
  for (const Tensor& input : example.inputs) {
    text += fmt::format(" {} (strides {})", to_string(input.shape()), to_string(input.strides()));
  }
  return text;
}

// Calls examine(example) for every row and round.
template <class F>
void for_all_rows(F examine) {
  const std::uint64_t seed = test_seed();
  for (const Row& row : gradcheck_table()) {
    for (int round = 0; round < rounds; ++round) {
      Draw draw(seed, round);
      const Example example = row.draw(draw);
      INFO(describe(row, example, seed, round));
      CHECK_NOTHROW(examine(example));
    }
  }
}

}  // namespace

TEST_CASE("every op of ops.h is in the gradcheck table, and nothing else is") {
  std::set<std::string> expected = without_derivative;
  for (const Row& row : gradcheck_table()) {
    CAPTURE(row.op);
    CHECK(expected.insert(row.op).second);
  }
  const std::vector<std::string> declared = declared_ops();
  CHECK(declared.size() > 80);
  for (const std::string& op : declared) {
    CAPTURE(op);
    CHECK(expected.erase(op) == 1);
  }
  for (const std::string& op : expected) FAIL_CHECK(op << " is not declared in ops.h");
}

TEST_CASE("first derivatives of every op") {
  for_all_rows([](const Example& example) {
    CHECK(gradcheck(example.function, example.inputs, example.options));
  });
}

TEST_CASE("second derivatives of every op, and the agreement of both evaluations of the first") {
  for_all_rows([](const Example& example) {
    CHECK(gradgradcheck(example.function, example.inputs, example.options));
  });
}

}  // namespace attune::testing
