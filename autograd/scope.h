#pragma once
// Scopes name the part of a model that is running: layers open one in their forward pass, ops
// record the innermost one, and errors and pictures of the graph show its path
// (`encoder.attention`).

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

// One name in the tree of all scopes that were ever opened. Lives as long as the program, so that
// a node of the graph can hold a plain pointer to it.
class ScopeName {
 public:
  ScopeName() = default;
  ScopeName(const ScopeName* parent, std::string_view name) : parent_(parent), name_(name) {}

  // The names from the outermost scope to this one, joined by dots; empty at the root.
  std::string path() const;
  const std::string& name() const { return name_; }
  const ScopeName* parent() const { return parent_; }

  // The child of that name, made at the first call.
  const ScopeName* child(std::string_view name) const;

 private:
  const ScopeName* parent_ = nullptr;
  std::string name_;
  mutable std::vector<std::unique_ptr<ScopeName>> children_;
};

// Opens a scope on this thread for as long as the object lives:
//
//     Scope scope("encoder");
//     Scope step("step", 3);      // "encoder.step3"
class [[nodiscard]] Scope {
 public:
  explicit Scope(std::string_view name);
  Scope(std::string_view name, std::size_t number);
  // Reopens a scope recorded earlier, so that work done later is filed under it.
  explicit Scope(const ScopeName* reopened);
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope();

  // The innermost scope open on this thread (the nameless root when none is).
  static const ScopeName& current();

 private:
  const ScopeName* outer_;
};

}  // namespace attune
