#include "tests/conformance/report.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <ostream>

#include "tests/conformance/compute.h"

namespace attune::conformance {
namespace {

struct Precision {
  DType dtype;
  Tolerance tolerance;
};
constexpr std::array precisions{Precision{DType::float64, float64_tolerance},
                                Precision{DType::float32, float32_tolerance}};

struct Verdict {
  double error = 0;     // the largest |ours - theirs| / max(1, |theirs|)
  std::string failure;  // the first disagreement, in words; empty if there is none
};

// How far two numbers are apart; not at all if both are infinite, of one sign, or no number.
double distance(double ours, double theirs) {
  if (ours == theirs || (std::isnan(ours) && std::isnan(theirs))) return 0;
  const double apart = std::abs(ours - theirs);
  return std::isfinite(apart) ? apart : std::numeric_limits<double>::infinity();
}

void judge(const Comparison& comparison, Tolerance tolerance, Verdict& verdict) {
  const auto& [name, our_tensor, their_tensor] = comparison;
  if (our_tensor.shape() != their_tensor.shape()) {
    verdict.error = std::numeric_limits<double>::infinity();
    verdict.failure = fmt::format("{} has shape {}, not {}", name, to_string(our_tensor.shape()),
                                  to_string(their_tensor.shape()));
    return;
  }
  const std::vector<double> ours = our_tensor.to_vector<double>();
  const std::vector<double> theirs = their_tensor.to_vector<double>();
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double size = std::isfinite(theirs[i]) ? std::abs(theirs[i]) : 0;
    const double apart = distance(ours[i], theirs[i]);
    verdict.error = std::max(verdict.error, apart / std::max(1.0, size));
    if (apart > tolerance.absolute + tolerance.relative * size && verdict.failure.empty()) {
      verdict.failure = fmt::format("element {} of {} {} is {}, not {}", i, name,
                                    to_string(our_tensor.shape()), ours[i], theirs[i]);
    }
  }
}

Verdict examine(const Case& c, const Precision& precision) {
  Verdict verdict;
  try {
    for (const Comparison& comparison : compute(converted(c, precision.dtype))) {
      judge(comparison, precision.tolerance, verdict);
    }
  } catch (const std::exception& error) {
    verdict.failure = error.what();
  }
  return verdict;
}

// A line of the table.
struct Row {
  int cases = 0;
  std::array<int, precisions.size()> passed{};
  std::array<double, precisions.size()> error{};
};

struct Table {
  std::map<std::string, Row> rows;
  std::vector<std::string> failures;
};

void run_file(const std::string& path, Table& table) {
  const std::string file = std::filesystem::path(path).filename().string();
  try {
    const Case c = load_case(path);
    if (!is_known(c.op)) {
      ++table.rows[c.op + " (unknown)"].cases;
      table.failures.push_back(fmt::format("{}: '{}' is no op that attune knows", file, c.op));
      return;
    }
    Row& row = table.rows[c.op];
    ++row.cases;
    for (std::size_t p = 0; p < precisions.size(); ++p) {
      const Verdict verdict = examine(c, precisions[p]);
      row.passed[p] += verdict.failure.empty();
      row.error[p] = std::max(row.error[p], verdict.error);
      if (!verdict.failure.empty()) {
        table.failures.push_back(
            fmt::format("{}, {}: {}", file, name(precisions[p].dtype), verdict.failure));
      }
    }
  } catch (const std::exception& error) {
    ++table.rows["(bad file)"].cases;
    table.failures.emplace_back(error.what());
  }
}

void write_row(std::ostream& out, const std::string& op, const Row& row) {
  fmt::print(out, "{:<42}{:>6}", op, row.cases);
  for (std::size_t p = 0; p < precisions.size(); ++p) {
    fmt::print(out, "{:>9}{:>10.1e}", row.passed[p], row.error[p]);
  }
  fmt::print(out, "\n");
}

void write(std::ostream& out, const Table& table) {
  fmt::print(out, "{:<42}{:>6}{:>9}{:>10}{:>9}{:>10}\n", "op", "cases", "float64", "error",
             "float32", "error");
  Row total;
  for (const auto& [op, row] : table.rows) {
    write_row(out, op, row);
    total.cases += row.cases;
    for (std::size_t p = 0; p < precisions.size(); ++p) {
      total.passed[p] += row.passed[p];
      total.error[p] = std::max(total.error[p], row.error[p]);
    }
  }
  write_row(out, fmt::format("{} ops", table.rows.size()), total);
  fmt::print(out,
             "\nAgreement is |ours - theirs| <= {:g} + {:g} |theirs| in float64 and {:g} + "
             "{:g} |theirs| in\nfloat32. Errors are the largest |ours - theirs| / max(1, "
             "|theirs|).\n",
             float64_tolerance.absolute, float64_tolerance.relative, float32_tolerance.absolute,
             float32_tolerance.relative);
  for (const std::string& failure : table.failures) fmt::print(out, "FAILED {}\n", failure);
}

std::vector<std::string> cases_in(const std::string& directory) {
  if (!std::filesystem::is_directory(directory)) {
    throw Error(fmt::format("{}: this is no directory.", directory));
  }
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path().string());
  }
  if (paths.empty()) throw Error(fmt::format("{}: there is no .safetensors file.", directory));
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

bool report(const std::string& directory, std::ostream& out) {
  Table table;
  for (const std::string& path : cases_in(directory)) run_file(path, table);
  write(out, table);
  return table.failures.empty();
}

}  // namespace attune::conformance
