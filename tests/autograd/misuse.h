#pragma once
// A check of what errors say.

#include <doctest/doctest.h>

#include <string>

#include "autograd/error.h"

namespace attune::testing {

// Checks that f() throws an Error that says `text` and names the line of this call, on which the
// body of f must begin.
template <class F>
void check_misuse(F&& f, const char* text, Site site = Site::current()) {
  doctest::String message = "nothing was thrown";
  try {
    f();
  } catch (const Error& error) {
    message = error.what();
  }
  INFO("at ", to_string(site));
  CHECK(message == doctest::Contains(text));
  CHECK(message == doctest::Contains(("called at " + to_string(site) + ".").c_str()));
}

}  // namespace attune::testing
