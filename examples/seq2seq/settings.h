#pragma once
// The options of `seq2seq train` that its checkpoint remembers, so that --resume need not be told
// them again and can refuse those that would make it another training.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace seq2seq {

class Settings {
 public:
  // Adds the options to the command; their values are here once it is parsed.
  explicit Settings(CLI::App& command);
  Settings(const Settings&) = delete;  // the command holds addresses of the values
  Settings& operator=(const Settings&) = delete;

  const std::string& text(const std::string& name) const;
  std::int64_t whole(const std::string& name) const;
  double real(const std::string& name) const;

  // Whether dates are learned, the task of those who name no data.
  bool dates() const { return text("data").empty(); }

  // Fills in what the user left to the task, which has that many pairs to train with.
  void choose_defaults(std::int64_t pairs);
  // Takes over what the checkpoint in `file` remembers, where the user gave nothing else. Error if
  // the user gave something else that cannot change.
  void resume(const std::map<std::string, std::string>& remembered, const std::string& file);
  // What a checkpoint shall remember.
  const std::map<std::string, std::string>& all() const { return values_; }

 private:
  std::map<std::string, std::string> values_;
  std::map<std::string, const CLI::Option*> options_;
};

}  // namespace seq2seq
