#pragma once
// Runs a directory of conformance cases, and says what agrees.

#include <iosfwd>
#include <string>

namespace attune::conformance {

// |ours - theirs| <= absolute + relative |theirs|.
struct Tolerance {
  double absolute, relative;
};
inline constexpr Tolerance float64_tolerance{1e-9, 1e-7};
inline constexpr Tolerance float32_tolerance{1e-3, 1e-3};

// Writes a table of the ops of the .safetensors files in and below the directory, and what
// disagrees. Returns whether everything agrees; an unknown op and a bad file do not. Error if there
// is no case.
bool report(const std::string& directory, std::ostream& out);

}  // namespace attune::conformance
