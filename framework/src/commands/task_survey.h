#pragma once

#include "commands/layer.h"
#include "config/paths.h"
#include "data/prepared/text_counts.h"
#include "data/task/task.h"
#include "text/tokenizer.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace peftbench::commands {

// A backbone's vocabulary, without its weights.
struct Vocabulary {
  std::string backbone;
  std::shared_ptr<const Tokenizer> tokenizer;
};
// Of the named backbone; of an empty name that of configs/defaults.yaml, if it is on this machine.
std::optional<Vocabulary> find_vocabulary(const Paths& paths, const std::string& backbone);

// What a reader of a task's figures should know before anything is trained.
struct TaskSurvey {
  // Those with examples; without a vocabulary their labels alone are counted.
  std::vector<std::pair<std::string, TextCounts>> splits;
  std::vector<std::string> warnings;
};
// `task` has no parts. A head that scores classes needs no words, so what is wrong with label words is a warning.
TaskSurvey survey_task(const TaskData& task, const Paths& paths, const std::optional<Vocabulary>& vocabulary);

}  // namespace peftbench::commands
