#include "cli/command_line.h"

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/failures.h"
#include "core/mapped_files.h"
#include "core/names.h"
#include "run/interrupt.h"
#include "run/machine.h"

#include <peftbench/abi.h>
#include <peftbench/error.h>

#include <fmt/format.h>

#include <unistd.h>

#include <csignal>
#include <cstring>

namespace peftbench {
namespace {

constexpr Command commands[] = {
    {"run", "train and evaluate a method on a task; the word may be left out", run_command},
    {"methods", "list methods, or show one with its parameters", methods_command},
    {"tasks", "list tasks, or show one", tasks_command},
    {"backbones", "list frozen models, or show one with its sizes", backbones_command},
    {"params", "count what a method adds to a backbone, from sizes alone", params_command},
    {"suite", "run a grid of methods, tasks and seeds, and print the table", suite_command},
    {"report", "print a table of the runs in a folder, from their records alone", report_command},
    {"eval", "evaluate a finished run again, or on another task", eval_command},
    {"score", "compute metrics for prediction files, a run's or another program's", score_command},
    {"ensemble", "evaluate several runs as a voting ensemble", ensemble_command},
    {"neighbors", "show the words nearest to a trained prompt", neighbors_command},
    {"export", "write a trained method in another program's format, or merged into the model", export_command},
    {"import", "convert an adapter of another program", import_command},
    {"pretrain", "pre-train a T5 from text and tasks", pretrain_command},
    {"vocab", "train a SentencePiece vocabulary in T5's layout", vocab_command},
    {"forgetting", "measure the loss on other text under a trained method", forgetting_command},
    {"forward", "one forward pass over ids from files, to compare with other programs", forward_command},
};

std::string help() {
  std::string text =
      "peft-bench compares methods of parameter-efficient fine-tuning on a frozen T5.\n\n"
      "Usage: peft-bench --method NAME [flags]     train, evaluate, print the row\n"
      "       peft-bench COMMAND [flags]\n\nCommands:\n";
  for (const Command& command : commands) text += fmt::format("  {:<11} {}\n", command.name, command.summary);
  return text +
         "\nExamples:\n"
         "  peft-bench --method prompt_tuning\n"
         "  peft-bench --method prompt_tuning --task wordnet_supersense --set length=50 --seed 2\n"
         "  peft-bench methods prompt_tuning\n"
         "  peft-bench params --method prompt_tuning --backbone t5-v1_1-xxl\n\n"
         "`peft-bench COMMAND --help` lists the flags of a command. Each run is kept in a folder of ./runs; the same\n"
         "command again continues a run that was stopped.\n";
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
  throw ConfigError({"there is no command '" + word + "'", {}, {}, did_you_mean(word, names)});
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
  say("peft-bench: a file could not be read any further while it was in use\n  found:    ");
  say_path(path);
  say(", which became shorter, or is on a disk that fails\n  expected: a file that stays as it is until the end\n"
      "  fix:      put the file back and give the same command again: a run continues from its last checkpoint\n");
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
  print_error("stopped; the same command continues");
  return 128 + (received ? received : SIGINT);
} catch (...) {
  return tell_failure();
}

}  // namespace peftbench
