#include "cli/command_line.h"

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/failures.h"
#include "config/machine.h"
#include "core/interrupt.h"
#include "core/mapped_files.h"
#include "core/names.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>

#include <fmt/format.h>

#include <unistd.h>

#include <csignal>
#include <cstring>

namespace peftbench::cli {
namespace {

#define PEFTBENCH_ROW(name, summary) {#name, summary, name##_command},
constexpr Command commands[] = {PEFTBENCH_COMMANDS(PEFTBENCH_ROW)};
#undef PEFTBENCH_ROW

std::string help() {
  std::string text =
      "peft-bench compares parameter-efficient fine-tuning methods on a frozen T5.\n\n"
      "Usage: peft-bench --method NAME [flags]     train, evaluate, print the results\n"
      "       peft-bench COMMAND [flags]\n\nCommands:\n";
  for (const Command& command : commands) text += fmt::format("  {:<11} {}\n", command.name, command.summary);
  return text +
         "\nExamples:\n"
         "  peft-bench --method prompt_tuning\n"
         "  peft-bench --method prompt_tuning --task wordnet_supersense --set length=50 --seed 2\n"
         "  peft-bench methods prompt_tuning\n"
         "  peft-bench params --method prompt_tuning --backbone t5-v1_1-xxl\n\n"
         "`peft-bench COMMAND --help` lists the flags of a command. Each run is kept in its own folder in ./runs.\n"
         "Repeating a command continues a stopped run.\n";
}

int dispatch(std::vector<std::string> words) {
  if (words.empty() || words.front() == "--help" || words.front() == "-h" || words.front() == "help") {
    print(help());
    return 0;
  }
  if (words.front() == "--version") {
    print(fmt::format("peft-bench {} (LibTorch {})\n", PEFTBENCH_VERSION, PEFTBENCH_TORCH_VERSION));
    return 0;
  }
  if (words.front().starts_with("-")) return run_command(words);
  const std::string word = words.front();
  words.erase(words.begin());
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (word == command.name) return command.run(words);
    names.emplace_back(command.name);
  }
  throw ConfigError({.what = "there is no command '" + word + "'", .remedy = did_you_mean(word, names)});
}

volatile std::sig_atomic_t received = 0;

void say(const char* text) { [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text, std::strlen(text)); }

// In a signal's handler nothing can be escaped: what a terminal could obey is a question mark.
void say_path(const char* path) {
  for (; *path != '\0'; ++path) {
    const auto byte = static_cast<unsigned char>(*path);
    const char shown[] = {byte < 0x20 || byte >= 0x7f ? '?' : *path, '\0'};
    say(shown);
  }
}

// A page of a mapped file that is not there any more. What was computed of it is lost, so the process ends
// here; a run goes on from its last checkpoint.
void end_for_lost_page(int number, siginfo_t* info, void*) {
  const char* path = mapped_files::path_at(info->si_addr);
  if (path == nullptr) {  // not ours: as without a handler
    std::signal(number, SIG_DFL);
    return;
  }
  say("peft-bench: a file became unreadable while it was in use\n  found:    ");
  say_path(path);
  say(", which was truncated, or is on a failing disk\n  expected: a file that does not change during the run\n"
      "  fix:      restore the file and run the same command again: a run continues from its last checkpoint\n");
  ::_exit(1);
}

void watch_mapped_files() {
  struct sigaction action {};
  action.sa_sigaction = end_for_lost_page;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace

int stop_signal() { return received; }

void listen_for_stop() {
  struct sigaction action {};
  action.sa_handler = [](int number) { received = number; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // a second one stops at once
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  struct sigaction hangup {};  // ignored under nohup: stays so
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) ::sigaction(SIGHUP, &action, nullptr);
}

int peftbench_command_line(int argc, char** argv) try {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error like any other
  std::signal(SIGXFSZ, SIG_IGN);  // and so is a file that may not grow any more
  watch_mapped_files();
  tune_process();
  return dispatch(std::vector<std::string>(argv + 1, argv + argc));
} catch (const Interrupted&) {
  print_error("stopped; run the same command again to continue");
  return 128 + (received ? received : SIGINT);
} catch (...) {
  return tell_failure();
}

}  // namespace peftbench::cli
