#pragma once

#include "core/files.h"
#include "core/layer.h"

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::core {

struct ChildExit {
  int status = 0;  // 128 + signal if ended by a signal
  int signal = 0;
  std::string text() const;  // "exit status 1", "ended by signal 9 (Killed)"
};

// Another program with this process's own input, outputs and place on the terminal; waits for its end. Throws Error if
// it cannot be started. `environment`: what is set over this process's.
ChildExit run_attached(const std::vector<std::string>& command,
                       const std::vector<std::pair<std::string, std::string>>& environment);

// Another program in a separate process group, so that Ctrl-C reaches only its parent, which decides.
// If the parent dies, it receives SIGTERM.
class ChildProcess {
 public:
  // Both of its outputs go to `log`. Throws Error if it cannot be started.
  ChildProcess(const std::vector<std::string>& command,
               const std::vector<std::pair<std::string, std::string>>& environment, const fs::path& log);
  ~ChildProcess();  // kills it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  std::optional<ChildExit> poll();  // nothing while it runs
  ChildExit wait();
  void signal(int number);

 private:
  void look(int options);  // options of waitpid
  pid_t pid_ = -1;
  std::optional<ChildExit> exit_;
};

fs::path own_program();  // the file that this process runs

}  // namespace peftbench::core
