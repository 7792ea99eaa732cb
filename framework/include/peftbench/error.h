#pragma once

#include <peftbench/export.h>

#include <stdexcept>
#include <string>

namespace peftbench {

// The parts of an error message. Empty parts are omitted.
struct Problem {
  std::string what;           // what is wrong: one sentence without a full stop
  std::string found = {};     // the actual value or state
  std::string expected = {};  // the valid values
  std::string remedy = {};    // how to fix it, as an imperative
};

// Root of every exception that the library throws. The library never prints or aborts.
class PEFTBENCH_API Error : public std::runtime_error {
 public:
  explicit Error(const Problem& problem);
  explicit Error(const std::string& what) : Error(Problem{.what = what}) {}
  ~Error() override;

  // 2: the user can fix it (input, data, plugin, checkpoint, configuration). 1: a failure of the program or the
  // machine.
  virtual int exit_code() const noexcept { return 1; }
};

// Invalid user input.
class PEFTBENCH_API UserError : public Error {
 public:
  using Error::Error;
  ~UserError() override;
  int exit_code() const noexcept override { return 2; }
};

// An invalid parameter, YAML key, method, task, site or shape in a plan.
class PEFTBENCH_API ConfigError : public UserError {
 public:
  using UserError::UserError;
  ~ConfigError() override;
};

// An invalid row, field, file or vocabulary.
class PEFTBENCH_API DataError : public UserError {
 public:
  using UserError::UserError;
  ~DataError() override;
};

// An invalid weights file, config.json, adapter or checkpoint.
class PEFTBENCH_API CheckpointError : public UserError {
 public:
  using UserError::UserError;
  ~CheckpointError() override;
};

// The loading step at which a plugin was refused, in order.
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
