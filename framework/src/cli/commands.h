#pragma once

#include "cli/layer.h"

#include <string>
#include <vector>

namespace peftbench::cli {

// One word behind `peft-bench`. `words` are the rest of the command line. Returns the exit status; throws Error.
struct Command {
  const char* name;
  const char* summary;
  int (*run)(const std::vector<std::string>& words);
};

// Every command in the order of the help: its word and its summary. The function is in NAME_command.cpp.
// clang-format off
#define PEFTBENCH_COMMANDS(command) \
  command(run, "train and evaluate a method on a task (the default command)") \
  command(methods, "list methods, or show one with its parameters") \
  command(tasks, "list tasks, or show one") \
  command(backbones, "list frozen models, or show one with its sizes") \
  command(params, "count the parameters that a method adds to a backbone") \
  command(suite, "run a grid of methods, tasks and seeds, and print the table") \
  command(search, "search a method's settings on validation examples, then train and score the best") \
  command(report, "print a table of the runs in a folder, from their records") \
  command(compare, "test whether two runs or rows of a table differ on the same examples") \
  command(eval, "evaluate a finished run again, or on another task") \
  command(predict, "answer the rows of a file or of standard input with finished runs") \
  command(score, "compute metrics for prediction files of runs or other programs") \
  command(ensemble, "evaluate several runs as a voting ensemble") \
  command(neighbors, "show the words nearest to a trained prompt") \
  command(export, "export a trained method in another program's format, or merged into the model") \
  command(import, "convert an adapter of another program") \
  command(pretrain, "pre-train a T5 from text and tasks") \
  command(vocab, "train a SentencePiece vocabulary in T5's layout") \
  command(forgetting, "measure a run's effect on the loss on unrelated text") \
  command(forward, "run one forward pass on token ids from files, for comparison with other programs")
// clang-format on

#define PEFTBENCH_DECLARE(name, summary) int name##_command(const std::vector<std::string>& words);
PEFTBENCH_COMMANDS(PEFTBENCH_DECLARE)
#undef PEFTBENCH_DECLARE

// 0, or the number of the signal by which the user asked to stop.
int stop_signal();
void listen_for_stop();

}  // namespace peftbench::cli
