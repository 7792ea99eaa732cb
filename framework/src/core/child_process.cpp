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

namespace peftbench {
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

// Between fork and exec: nothing that takes a lock or memory, since other threads may have held them.
[[noreturn]] void become(char** command, char** environment, int log, pid_t parent, int failure) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  for (const int number : {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ}) ::signal(number, SIG_DFL);
  const int input = ::open("/dev/null", O_RDONLY);
  if (::getppid() == parent && input >= 0 && ::dup2(input, 0) >= 0 && ::dup2(log, 1) >= 0 && ::dup2(log, 2) >= 0)
    ::execve(command[0], command, environment);
  const int number = errno;
  [[maybe_unused]] const ssize_t told = ::write(failure, &number, sizeof number);
  ::_exit(127);
}

}  // namespace

std::string ChildExit::text() const {
  return signal ? "ended by signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")"
                : "exit status " + std::to_string(status);
}

ChildProcess::ChildProcess(const std::vector<std::string>& command,
                           const std::vector<std::pair<std::string, std::string>>& environment, const fs::path& log) {
  std::vector<std::string> words = command, variables = joined_environment(environment);
  std::vector<char*> word_pointers = pointers(words), variable_pointers = pointers(variables);
  // A new file: what was there, a link to another one, say, is not written to.
  if (::unlink(log.c_str()) != 0 && errno != ENOENT) fail_to_write(log, errno);
  const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (file < 0) fail_to_write(log, errno);
  int pipe[2];  // carries what went wrong before the program began; closed by a good exec
  if (::pipe2(pipe, O_CLOEXEC) != 0) {
    const int number = errno;
    ::close(file);
    throw Error({"cannot start " + command.front(), system_reason(number), {}, {}});
  }
  // Whoever started this process may have made it ignore SIGCHLD: then nothing would be told of how a child ended.
  ::signal(SIGCHLD, SIG_DFL);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  int number = pid_ < 0 ? errno : 0;
  if (pid_ == 0) become(word_pointers.data(), variable_pointers.data(), file, parent, pipe[1]);
  ::close(file);
  ::close(pipe[1]);
  while (pid_ > 0 && ::read(pipe[0], &number, sizeof number) < 0 && errno == EINTR) {
  }
  ::close(pipe[0]);
  if (number == 0) return;
  if (pid_ > 0) wait();
  throw Error({"cannot start " + command.front(), system_reason(number), "a program that may be run", {}});
}

ChildProcess::~ChildProcess() {
  if (exit_ || pid_ <= 0) return;
  signal(SIGKILL);
  wait();
}

void ChildProcess::ended(int status) {
  exit_ = WIFSIGNALED(status) ? ChildExit{128 + WTERMSIG(status), WTERMSIG(status)} : ChildExit{WEXITSTATUS(status), 0};
}

void ChildProcess::look(int options) {
  int status = 0;
  const pid_t got = ::waitpid(pid_, &status, options);
  if (got == pid_)
    ended(status);
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

}  // namespace peftbench
