#pragma once

#include "core/yaml.h"
#include "data/layer.h"
#include "data/prepared/storage.h"
#include "data/task/mixture.h"
#include "data/task/task.h"

#include <functional>
#include <string>
#include <vector>

namespace peftbench::data {

// A mixture of tasks, used in YAML instead of a source (docs/tasks.md).
struct TaskMixture {
  std::vector<std::string> names;  // as the file has them: names of listed tasks, or paths
  MixturePolicy policy;
  std::vector<TaskConfig> tasks;  // read by with_tasks, in the order of the names
  std::string place;              // file:line
};

// Reads the value of the key 'mixture', or of another map that holds a mixture beside `other` keys. Throws ConfigError.
TaskMixture parse_mixture(const Yaml& yaml, const std::vector<std::string>& other = {});

// A mixture with its tasks, which `read` gives for a name or an absolute path; its limits are the largest of theirs.
// Other tasks unchanged. Throws ConfigError for unknown tasks, mixtures in mixtures and the same task twice.
TaskConfig with_tasks(TaskConfig config, const std::function<TaskConfig(const std::string&)>& read);

// Each task of the mixture as load_task gives it, in TaskData::parts.
TaskData load_mixture(const TaskConfig& config, const fs::path& data_root, const DataStorage& storage);

// A mixture's tasks, or the task itself.
std::vector<const TaskData*> parts_of(const TaskData& data);
std::vector<const TaskConfig*> parts_of(const TaskConfig& config);

// What a method's plan may know of a mixture: the fields that all inputs have, and no label words, for these belong to
// one task or another.
TaskShape shape_of_mixture(const TaskConfig& config);

// The label words of a task; of a mixture those of its tasks, each once.
std::vector<std::string> label_words(const TaskConfig& config);

// Examples of all parts.
struct SplitSizes {
  std::int64_t train = 0, validation = 0, test = 0;
};
SplitSizes sizes_of(const TaskData& data);

// The sampling rate of each task of a mixture with these data. Throws ConfigError if one has no training examples.
std::vector<double> rates_of(const TaskData& data);
std::string describe_policy(const MixturePolicy& policy);  // "proportional, at most 16,384 of a task"

}  // namespace peftbench::data
