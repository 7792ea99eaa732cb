#pragma once

#include <peftbench/export.h>

#include <stdexcept>
#include <string>

namespace peftbench {

// The four things a message owes its reader. Empty parts are left out.
struct Problem {
  std::string what;      // the fault, one sentence without a full stop
  std::string found;     // what was met
  std::string expected;  // what would have been right
  std::string remedy;    // what to do now
};

// Root of every exception that the library throws. The library never prints or aborts.
class PEFTBENCH_API Error : public std::runtime_error {
 public:
  explicit Error(const Problem& problem);
  explicit Error(const std::string& what) : Error(Problem{what, {}, {}, {}}) {}
  ~Error() override;

  // 2: the user can fix it (input, data, plugin, checkpoint, configuration). 1: a failure of ours or the machine's.
  virtual int exit_code() const noexcept { return 1; }
};

// A fault in what the user gave.
class PEFTBENCH_API UserError : public Error {
 public:
  using Error::Error;
  ~UserError() override;
  int exit_code() const noexcept override { return 2; }
};

// A wrong parameter, YAML key, method, task, site or shape in a plan.
class PEFTBENCH_API ConfigError : public UserError {
 public:
  using UserError::UserError;
  ~ConfigError() override;
};

// A wrong row, field, file or vocabulary.
class PEFTBENCH_API DataError : public UserError {
 public:
  using UserError::UserError;
  ~DataError() override;
};

// A wrong weights file, config.json, adapter or checkpoint.
class PEFTBENCH_API CheckpointError : public UserError {
 public:
  using UserError::UserError;
  ~CheckpointError() override;
};

// The step of loading at which a plugin was refused, in their order.
enum class PluginStep { find, note, open, header, torch_identity, name, registration, planning };

class PEFTBENCH_API PluginError : public UserError {
 public:
  PluginError(PluginStep step, const Problem& problem) : UserError(problem), step_(step) {}
  ~PluginError() override;
  PluginStep step() const noexcept { return step_; }

 private:
  PluginStep step_;
};

}  // namespace peftbench
