#include "run/evaluate_run.h"

#include "core/clock.h"
#include "core/names.h"
#include "data/task_mixture.h"
#include "run/adapter.h"
#include "run/machine.h"
#include "run/scoring.h"
#include "run/unchanged.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench {

RunRecord finished_record(const RunFolder& run) {
  RunRecord record = read_record(run.record());
  if (record.status != "finished")
    throw DataError({"the run has not finished, so there is nothing to score",
                     record.id + ", status " + record.status,
                     {},
                     "start its command again: it continues"});
  return record;
}

ConfigRequest configuration_of(const RunFolder& run, const RunRecord& record, const Asked& asked) {
  ConfigRequest config;
  config.method = record.method.name;
  // The record's library is told and never opened: a run's folder may come from anywhere.
  config.method_by = {run.record().string(), record.method.plugin};
  config.file = run.config();
  const auto flag = [&](const char* key, const std::string& value, const char* origin) {
    if (!value.empty()) config.flags.push_back({key, value, origin});
  };
  flag("task.name", asked.task, "--task");
  flag("eval.split", asked.split, "--split");
  if (!asked.label_map.empty()) config.flags.push_back({"eval.label_map", asked.label_map, "--label-map"});
  config.flags.push_back({"init_from", "", "eval"});  // what training began from may be gone
  config.flags.push_back({"eval.tasks", Names{}, "eval"});
  if (asked.threads > 0) flag("threads", std::to_string(asked.threads), "--threads");
  if (asked.batch_size > 0) flag("eval.batch_size", std::to_string(asked.batch_size), "--batch-size");
  return config;
}

TaskData trained_data(const RunFolder& run, const RunRecord& record, const Places& places, ProgressSink* progress) {
  const ConfigRequest request = configuration_of(run, record, {});
  return open_task(places, set_up(places, request, BackboneNeed::sizes).config, progress);
}

std::vector<const TaskData*> shots_for(const TaskData& trained, const std::string& task) {
  std::vector<const TaskData*> parts = parts_of(trained);
  const auto own =
      std::find_if(parts.begin(), parts.end(), [&](const auto* part) { return part->config.name == task; });
  return own == parts.end() ? parts : std::vector<const TaskData*>{*own};
}

namespace {

// The task that a run was trained on, if its file is still there.
std::optional<TaskConfig> trained_task(const RunFolder& run, const Places& places) {
  for (const Setting& setting : read_settings(run.config()).settings) {
    const auto* name = std::get_if<std::string>(&setting.value);
    if (setting.key != "task.name" || !name) continue;
    try {
      return read_task_config(*name, places.task_folders());
    } catch (const UserError&) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// Whether the run was trained on the task, alone or as one of a mixture.
bool was_trained_on(const RunRecord& record, const std::optional<TaskConfig>& trained, const std::string& task) {
  if (task == record.task.name) return true;
  if (!trained) return false;
  const std::vector<const TaskConfig*> parts = parts_of(*trained);
  return std::any_of(parts.begin(), parts.end(), [&](const auto* part) { return part->name == task; });
}

}  // namespace

EvaluateOutcome score(const Workbench& bench, const CompiledPlan& plan, const std::optional<Elsewhere>& elsewhere,
                      RunRecord record, const HowMuch& how_much, ProgressSink& progress) {
  EvaluateOutcome outcome{std::move(record), 0, 0, {}, 0};
  Scoring scoring(bench, plan, elsewhere);
  for (const std::string& warning : scoring.warnings()) progress.note("warning: " + warning);
  const Stopwatch watch;
  const RunEvaluation evaluation =
      scoring.evaluate(plan, bench.setup.config.options.text("eval.split"), how_much.examples, progress);
  outcome.seconds = watch.wall_seconds();
  require_unchanged_files(*bench.backbone, bench.checksum);
  for (const std::string& remark : scoring.remarks(evaluation)) progress.note("warning: " + remark);
  outcome.loss = evaluation.whole.loss;
  outcome.examples = evaluation.whole.examples;
  const SplitSizes sizes = sizes_of(bench.task);
  RunRecord& own = outcome.record;
  own.task = {bench.task.config.name,
              bench.task.source.string(),
              bench.task.hash,
              "",
              sizes.train,
              sizes.validation,
              sizes.test};
  scoring.describe(evaluation, own);
  outcome.split = own.metrics.front().split;
  if (how_much.predictions) scoring.write_predictions(evaluation, *how_much.predictions);
  return outcome;
}

EvaluateOutcome evaluate_run(const EvaluateRequest& request, ProgressSink& progress) {
  RunRecord record = finished_record(request.run);
  const Places& places = request.places;
  const ConfigRequest config = configuration_of(request.run, record, request.asked);
  Setup setup = set_up(places, config, BackboneNeed::weights);
  const std::optional<TaskConfig> trained = trained_task(request.run, places);
  const std::string task = configured_task(places, setup.config).name;
  const bool own = was_trained_on(record, trained, task);
  if (own && !request.asked.label_map.empty())
    throw ConfigError({"a label map, but no other task that is scored",
                       "--label-map " + join(request.asked.label_map) + ", and the run was trained on '" + task + "'",
                       "--task of another beside it", "name that task, or leave the map out"});
  use_threads(setup.config.train.threads);
  progress.update({"load", 0, 0, "backbone and data"});
  const Workbench bench = open_workbench(places, std::move(setup), &progress);
  const PluginFinder finder(places.plugin_files);
  CompiledPlan plan = load_adapter(request.run.adapter(), finder, *bench.backbone, bench.checksum);
  std::optional<Elsewhere> elsewhere;
  TaskData shown;
  if (!own) {
    std::vector<std::string> learnt = read_adapter_info(request.run.adapter(), finder).shape.labels;
    if (learnt.empty() && trained) learnt = label_words(*trained);  // a mixture's are those of its tasks
    elsewhere = {{LabelMap(bench.setup.config.options.names("eval.label_map")), learnt}, {}};
    if (plan.only() && plan.only()->layout) {
      shown = trained_data(request.run, record, request.places, &progress);
      elsewhere->shots = parts_of(shown);
    }
  }
  return score(bench, plan, elsewhere, std::move(record), {request.examples, request.predictions}, progress);
}

}  // namespace peftbench
