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

int run_command(const std::vector<std::string>& words);
int methods_command(const std::vector<std::string>& words);
int tasks_command(const std::vector<std::string>& words);
int backbones_command(const std::vector<std::string>& words);
int params_command(const std::vector<std::string>& words);
int eval_command(const std::vector<std::string>& words);
int score_command(const std::vector<std::string>& words);
int ensemble_command(const std::vector<std::string>& words);
int neighbors_command(const std::vector<std::string>& words);
int import_command(const std::vector<std::string>& words);
int export_command(const std::vector<std::string>& words);
int suite_command(const std::vector<std::string>& words);
int report_command(const std::vector<std::string>& words);
int forgetting_command(const std::vector<std::string>& words);
int pretrain_command(const std::vector<std::string>& words);
int vocab_command(const std::vector<std::string>& words);
int forward_command(const std::vector<std::string>& words);

// 0, or the number of the signal by which the user asked to stop.
int stop_signal();
void listen_for_stop();

}  // namespace peftbench::cli
