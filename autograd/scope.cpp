#include "autograd/scope.h"

#include <fmt/format.h>

#include <mutex>

namespace attune {
namespace {

// Never destroyed: nodes that outlive main's statics still point into it.
const ScopeName& root() {
  static const ScopeName* const name = new ScopeName;
  return *name;
}

constinit thread_local const ScopeName* innermost = nullptr;

}  // namespace

std::string ScopeName::path() const {
  if (!parent_) return "";
  const std::string outer = parent_->path();
  return outer.empty() ? name_ : outer + "." + name_;
}

const ScopeName* ScopeName::child(std::string_view name) const {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  for (const auto& known : children_) {
    if (known->name() == name) return known.get();
  }
  return children_.emplace_back(std::make_unique<ScopeName>(this, name)).get();
}

const ScopeName& Scope::current() {
  return innermost ? *innermost : root();
}

Scope::Scope(std::string_view name) : outer_(innermost) {
  innermost = current().child(name);
}
Scope::Scope(std::string_view name, std::size_t number)
    : Scope(std::string_view(fmt::format("{}{}", name, number))) {}
Scope::Scope(const ScopeName* reopened) : outer_(innermost) {
  innermost = reopened;
}
Scope::~Scope() {
  innermost = outer_;
}

}  // namespace attune
