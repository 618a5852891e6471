#pragma once
// The options of `seq2seq train` that its checkpoint remembers, so that --resume need not be told
// them again and can refuse those that would make it another training.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "examples/seq2seq/checks.h"

namespace seq2seq {

struct Setting {
  std::string name;
  std::string value;  // by default; empty where that depends on the data
  std::string type;
  std::string help;
  Check check;
  std::string group;
  bool may_change = false;  // on --resume
};

const std::vector<Setting>& all_settings();
// Its help, with the defaults of tasks and models: "End after N steps; 0: no limit [dates: 2000]".
std::string describe(const Setting& setting);

class Settings {
 public:
  Settings();

  // What the user gave.
  void give(const std::string& name, const std::string& value);

  const std::string& text(const std::string& name) const;
  std::int64_t whole(const std::string& name) const;
  double real(const std::string& name) const;

  // What is learned: "dates", "pairs", "pronounce" or "scan".
  std::string task() const;

  // Fills in what the user left to the task.
  void choose_defaults();
  // How often to validate, where there are that many pairs to train with.
  void choose_interval(std::int64_t pairs);
  // Takes over what the checkpoint in `file` remembers, where the user gave nothing else. Error if
  // the user gave something else that cannot change.
  void resume(const std::map<std::string, std::string>& remembered, const std::string& file);
  // What a checkpoint shall remember.
  const std::map<std::string, std::string>& all() const { return values_; }

 private:
  std::map<std::string, std::string> values_;
  std::set<std::string> given_;
};

}  // namespace seq2seq
