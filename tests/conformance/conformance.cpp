// Holds attune against cases that another implementation computed.

#include <exception>
#include <iostream>
#include <string_view>

#include "tests/conformance/report.h"

namespace {

constexpr std::string_view usage =
    "usage: conformance DIR\n"
    "\n"
    "Runs every conformance case (*.safetensors) in and below DIR in float64 and float32, and "
    "prints\n"
    "for each op how many agree. tests/conformance/README.md describes the cases;\n"
    "tests/conformance/generate.py makes them with PyTorch.\n"
    "\n"
    "Exit status: 0 if everything agrees, 1 if something does not or an op is unknown, 2 if there "
    "is\n"
    "nothing to run.\n";

}  // namespace

int main(int argc, char** argv) {
  const std::string_view argument = argc == 2 ? argv[1] : "";
  if (argument == "--help" || argument == "-h") {
    std::cout << usage;
    return 0;
  }
  if (argument.empty() || argument.starts_with('-')) {
    std::cerr << usage;
    return 2;
  }
  try {
    return attune::conformance::report(argv[1], std::cout) ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "conformance: " << error.what() << '\n';
    return 2;
  }
}
