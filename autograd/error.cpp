#include "autograd/error.h"

#include <fmt/format.h>

#include "autograd/scope.h"

namespace attune {

std::string to_string(const Site& site) {
  const std::string_view path = site.file_name();
  return fmt::format("{}:{}", path.substr(path.find_last_of('/') + 1), site.line());
}

void misuse(std::string_view op, const Site& site, std::string_view what, std::string_view remedy,
            std::string_view picture) {
  const std::string scope = Scope::current().path();
  throw Error(fmt::format("{}: {}{}{}, called at {}.{}{}{}{}", op, what,
                          scope.empty() ? "" : ", in ", scope, to_string(site),
                          remedy.empty() ? "" : " ", remedy, picture.empty() ? "" : "\n", picture));
}

}  // namespace attune
