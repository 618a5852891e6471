#pragma once
// What attune says when it is misused: one sentence that names the op, the values, the scope, the
// source line of the call and the remedy.

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace attune {

// The place in the caller's source that called an op.
using Site = std::source_location;

// Thrown for every misuse of the library; whatever it interrupts is left as it was.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// "my_model.cpp:42".
std::string to_string(const Site& site);

// Throws Error("OP: WHAT, in SCOPE, called at FILE:LINE. REMEDY"). `what` is the middle of a
// sentence; `remedy`, if there is one, a whole sentence. A picture of the clash, such as
// draw_clash() makes of two shapes, follows in lines of its own.
[[noreturn]] void misuse(std::string_view op, const Site& site, std::string_view what,
                         std::string_view remedy = "", std::string_view picture = "");

}  // namespace attune
