#pragma once

#include "backbone/hub.h"
#include "data/prepared/storage.h"
#include "data/task/task.h"
#include "plugin/finder.h"
#include "results/run_record.h"
#include "run/layer.h"
#include "run/resources.h"
#include "text/tokenizer.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::run {

// A configuration with the method and the sizes of the backbone that it names: enough for a plan and its ledger.
struct Setup {
  PluginHandle plugin;
  RunConfig config;
  ResolvedBackbone backbone;
};
Setup set_up(Resources& resources, const ConfigRequest& request, BackboneNeed need);

// Everything that a run works on, in memory.
struct Workbench {
  Setup setup;
  TaskData task;
  std::vector<TaskData> eval_tasks;  // others that are scored at the end
  std::shared_ptr<const Backbone> backbone;
  std::string checksum;  // of the backbone
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string start_hash;      // of the initial values; empty for the method's own initialisation
  std::string continued_hash;  // of the run that this one continues; empty: none
  DataStorage storage = {};

  // What the run's results follow from, as canonical JSON: two runs are the same if these texts are.
  nlohmann::json identity() const;
  // The start of every target of the task.
  std::vector<std::int64_t> target_prefix(const TaskConfig& config) const;
  // What the ids that a layout hook gives follow from: the file that holds them is kept under it.
  std::string layout_key() const;
  std::string run_id() const;  // <method>-<task>-s<seed>-<first ten digits of the identity's hash>
};
// The id that open_workbench's bench would have, without loading weights that are known (KnownWeights). Data is
// prepared where it was not. The setup is one with weights.
std::string expected_run_id(Resources& resources, const Setup& setup, ProgressSink* progress = nullptr);

// The task's data in the run's order, with the training examples that its seed draws.
TaskData open_task(Resources& resources, const RunConfig& config, ProgressSink* progress = nullptr);
// Those of eval.tasks. Throws ConfigError for the run's own tasks, mixtures, the same task twice, and a label map that
// is none.
std::vector<TaskConfig> configured_eval_tasks(Resources& resources, const RunConfig& config);
// Throws ConfigError for a label map without other tasks, of which it would change no answer.
void refuse_idle_label_map(const RunConfig& config);
// What the backbone's vocabulary makes of the label words of all tasks, before data or weights are read. Throws
// ConfigError as a run does and returns its warnings; nothing if the vocabulary is not on this machine.
std::vector<std::string> check_label_words(Resources& resources, const Setup& setup);
// How much of the task is read. With its definition alone the splits are empty and the hash of the data is unknown.
enum class TaskNeed { data, definition };
// `progress` outlives the workbench.
Workbench open_workbench(Resources& resources, Setup setup, ProgressSink* progress = nullptr,
                         TaskNeed need = TaskNeed::data);

// Why the method cannot do the task, if it cannot.
std::optional<Problem> misfit(const LoadedPlugin& plugin, const TaskConfig& task);
Problem mixture_has_no_classes(const std::string& method, const TaskConfig& mixture);

// The task as this configuration has it: its file, with the lengths of the options.
TaskConfig configured_task(Resources& resources, const RunConfig& config);
// The properties that a plan may use; none without a task.
TaskShape task_shape(Resources& resources, const RunConfig& config);

}  // namespace peftbench::run
