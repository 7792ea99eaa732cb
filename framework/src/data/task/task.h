#pragma once

#include "core/files.h"
#include "data/layer.h"
#include "data/prepared/text_list.h"

#include <peftbench/plan.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace peftbench::data {

struct TaskSpec;     // data/task/task_spec.h
struct TaskMixture;  // data/task/task_mixture.h

// A task as its YAML file describes it (docs/tasks.md), before any data is read.
struct TaskConfig {
  std::string name;
  fs::path file;                     // the YAML
  std::string canonical;             // canonical JSON of all that is in it, for hashing
  std::string summary;               // one line for `tasks`
  std::vector<std::string> labels;   // label words in order of their numbers; empty for free text
  std::vector<std::string> metrics;  // first one selects checkpoints; names known to data/task/metric_names.h
  int64_t max_input_tokens = 512;    // EOS counted; longer inputs are cut at the end of the last field
  int64_t max_target_tokens = 62;
  std::string prefix;     // written before every input with a space after it, as T5 names its tasks; empty: nothing
  bool sentinel = false;  // targets begin with <extra_id_0>, as span corruption has them; of a run, not of the YAML
  std::shared_ptr<const TaskSpec> spec;        // source, templates, splits; null for a mixture
  std::shared_ptr<const TaskMixture> mixture;  // the tasks that are mixed; null for a task of its own
};

// Leaves the prefix out of the task, or of all tasks of a mixture.
void drop_prefix(TaskConfig& config);

// What a method's plan may know of it.
TaskShape shape_of(const TaskConfig& config);

struct TaskData {
  TaskConfig config;
  TextList train, validation, test;  // in memory or in files
  bool test_labelled = true;         // false: no row of test has its label, so none can be scored
  std::vector<std::string> notes;    // notes on the data: removed rows, and why
  std::string hash;                  // SHA-256 over the formatted examples of all splits
  fs::path source;                   // where the data was found
  std::vector<TaskData> parts;       // of a mixture its tasks; the splits above are empty then
};

// `name_or_file`: a name in one of the folders, or the path of a YAML. Errors name file, line, field and remedy.
TaskConfig read_task_config(const std::string& name_or_file, const std::vector<fs::path>& folders);
std::vector<TaskConfig> list_tasks(const std::vector<fs::path>& folders);
std::vector<std::string> task_names(const std::vector<fs::path>& folders);  // in order; no file is read

// Reads the source, applies templates, makes the splits. `data_root` holds one folder a task for data that is
// fetched; relative sources are looked up beside the YAML first, then in it. Throws DataError.
TaskData load_task(const TaskConfig& config, const fs::path& data_root);

}  // namespace peftbench::data
