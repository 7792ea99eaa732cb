#pragma once

#include "adapters/layer.h"
#include "config/paths.h"
#include "config/run_config.h"
#include "data/task/task.h"
#include "results/run_record.h"
#include "text/tokenizer.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <string>
#include <vector>

namespace peftbench::adapters {

// What a trained method was made from, by content: a name may come to mean something else.
struct MadeFrom {
  // Hashes of the definition and of the data; empty if an older program did not keep them.
  struct Task {
    std::string name, definition, data;
  };
  Task task;
  std::vector<Task> parts;  // of a mixture
  std::string file;         // the task's YAML
  bool prefix = true;       // task.prefix: the texts, and so the hashes, are without it where false
  std::vector<std::string> labels;
  std::string vocabulary;
  std::string precision, quantization;  // of the backbone, in which its checksum is
};

MadeFrom made_from(const TaskData& task, const Tokenizer& vocabulary, const RunOptions& options);
MadeFrom made_from(const RunRecord& record);
nlohmann::ordered_json to_json(const MadeFrom& made);
MadeFrom made_from_json(const nlohmann::json& json);

MadeFrom::Task contents_of(const TaskData& task);

// Whether the data are what was trained on: the task, or a task of the mixture.
bool was_trained_on(const MadeFrom& made, const TaskData& task);
// Hashes in which the task differs from what was trained on: "data 12ab…"; empty if it is the same, as far as known
// (of a task whose data were not read, its definition).
struct Difference {
  std::string now, then;
  bool empty() const { return now.empty(); }
};
Difference difference(const MadeFrom::Task& then, const TaskData& now);

// Throws DataError if a setting that decides the run's examples or scores is another than the record has: somebody
// changed the run's config.yaml. `asked`: keys that were given otherwise on the command line.
void check_settings(const RunRecord& record, const RunConfig& config, const std::vector<std::string>& asked);

// Throws DataError if what is called so now is not the task that `who` was trained on.
void check_task(const MadeFrom& made, const TaskData& now, const std::string& who);
// Throws CheckpointError if the vocabulary differs.
void check_same_vocabulary(const MadeFrom& made, const Tokenizer& vocabulary, const std::string& who);

struct NewRun {
  const TaskData& task;
  const Tokenizer& vocabulary;
  const RunOptions& options;
};
// Where training begins with values that were trained before. Throws DataError if the task is called as theirs was
// and has other rows, so that rows they were trained on may be scored. Warns of what else differs.
// `now`: what is trained on next. `start`: the path, for messages.
void check_start(const MadeFrom& made, const NewRun& now, const std::string& start, const Paths& paths,
                 const std::function<void(std::string)>& warn);

// The hashes that an older record lacks, so that they are not compared; empty: none.
std::string unknown_hashes(const MadeFrom& made);

}  // namespace peftbench::adapters
