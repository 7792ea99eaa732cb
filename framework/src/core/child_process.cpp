#include "core/child_process.h"

#include "core/descriptor.h"

#include <peftbench/error.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace peftbench::core {
namespace {

std::vector<std::string> joined_environment(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    bool changed = false;
    for (const auto& [name, value] : changes) changed |= text.starts_with(name + "=");
    if (!changed) result.push_back(text);
  }
  for (const auto& [name, value] : changes) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

constexpr int own_streams = -1;

// Between fork and exec: nothing that takes a lock or memory, since other threads may have held them. `log`: of both
// outputs, or own_streams.
[[noreturn]] void become(char** command, char** environment, int log, pid_t parent, int failure) {
  for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ}) ::signal(number, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  bool ready = ::getppid() == parent;
  if (log != own_streams) {
    ::setpgid(0, 0);
    const int input = ::open("/dev/null", O_RDONLY);
    ready = ready && input >= 0 && ::dup2(input, 0) >= 0 && ::dup2(log, 1) >= 0 && ::dup2(log, 2) >= 0;
  }
  if (ready) ::execve(command[0], command, environment);
  const int number = errno;
  [[maybe_unused]] const ssize_t told = ::write(failure, &number, sizeof number);
  ::_exit(127);
}

ChildExit exit_of(int status) {
  return WIFSIGNALED(status) ? ChildExit{128 + WTERMSIG(status), WTERMSIG(status)} : ChildExit{WEXITSTATUS(status), 0};
}

// The id of the new process. Throws Error if the program cannot be started.
pid_t start(const std::vector<std::string>& command,
            const std::vector<std::pair<std::string, std::string>>& environment, int log) {
  std::vector<std::string> words = command, variables = joined_environment(environment);
  std::vector<char*> word_pointers = pointers(words), variable_pointers = pointers(variables);
  int pipe[2];  // carries what went wrong before the program began; closed by a good exec
  if (::pipe2(pipe, O_CLOEXEC) != 0)
    throw Error({.what = "cannot start " + command.front(), .found = system_reason(errno)});
  // Whoever started this process may have made it ignore SIGCHLD: then nothing would be told of how a child ended.
  ::signal(SIGCHLD, SIG_DFL);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  int number = child < 0 ? errno : 0;
  if (child == 0) become(word_pointers.data(), variable_pointers.data(), log, parent, pipe[1]);
  ::close(pipe[1]);
  while (child > 0 && ::read(pipe[0], &number, sizeof number) < 0 && errno == EINTR) {
  }
  ::close(pipe[0]);
  if (number == 0) return child;
  while (child > 0 && ::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  throw Error({"cannot start " + command.front(), system_reason(number), "a program that may be run",
               "check its permissions, and that the interpreter in its first line is installed"});
}

}  // namespace

std::string ChildExit::text() const {
  return signal ? "ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")"
                : "exit status " + std::to_string(status);
}

ChildExit run_attached(const std::vector<std::string>& command,
                       const std::vector<std::pair<std::string, std::string>>& environment) {
  const pid_t child = start(command, environment, own_streams);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return exit_of(status);
}

ChildProcess::ChildProcess(const std::vector<std::string>& command,
                           const std::vector<std::pair<std::string, std::string>>& environment, const fs::path& log) {
  // A new file: what was there, a link to another one, say, is not written to.
  if (::unlink(log.c_str()) != 0 && errno != ENOENT) fail_to_write(log, errno);
  const Descriptor file(::open(log.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.ok()) fail_to_write(log, errno);
  pid_ = start(command, environment, file.get());
}

ChildProcess::~ChildProcess() {
  if (exit_ || pid_ <= 0) return;
  signal(SIGKILL);
  wait();
}

void ChildProcess::look(int options) {
  int status = 0;
  const pid_t got = ::waitpid(pid_, &status, options);
  if (got == pid_)
    exit_ = exit_of(status);
  else if (got < 0 && errno != EINTR)
    exit_ = ChildExit{1, 0};  // it is nobody's child any more
}

std::optional<ChildExit> ChildProcess::poll() {
  if (!exit_) look(WNOHANG);
  return exit_;
}

ChildExit ChildProcess::wait() {
  while (!exit_) look(0);
  return *exit_;
}

void ChildProcess::signal(int number) {
  if (!exit_) ::kill(pid_, number);
}

fs::path own_program() { return fs::read_symlink("/proc/self/exe"); }

}  // namespace peftbench::core
