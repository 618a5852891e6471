#pragma once
// The gradcheck table: a row for every public op of autograd/ops.h that has a derivative. The tests
// in ops_test.cpp hold each against central differences, in first and second order, and fail where
// a row is missing.

#include <functional>
#include <string>
#include <vector>

#include "autograd/gradcheck.h"
#include "tests/autograd/draw.h"

namespace attune::testing {

struct Example {
  TensorFunction function;
  std::vector<Tensor> inputs;
  std::string arguments = "";  // those that are no inputs, in words
  GradcheckOptions options = {};
};

struct Row {
  // As ops.h declares it: the name, or "name(types)" if there are several of that name.
  std::string op;
  std::function<Example(Draw&)> draw;
};

std::vector<Row> gradcheck_table();

}  // namespace attune::testing
