#include "commands/evaluate_run.h"

#include "backbone/unchanged.h"
#include "commands/scored_run.h"
#include "config/machine.h"
#include "core/clock.h"
#include "devices/choice.h"
#include "run/describe_run.h"
#include "run/scoring.h"

#include <peftbench/error.h>

#include <utility>

namespace peftbench::commands {

RunRecord finished_record(const RunFolder& run) {
  RunRecord record = read_record(run.record());
  if (record.status != "finished")
    throw DataError({.what = "the run has not finished, so it cannot be evaluated",
                     .found = record.id + ", status " + record.status,
                     .remedy = "run its command again to continue it"});
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
  flag(option_key::task, asked.task, "--task");
  flag(option_key::split, asked.split, "--split");
  if (!asked.label_map.empty()) config.flags.push_back({option_key::label_map, asked.label_map, "--label-map"});
  config.flags.push_back({option_key::init_from, "", "eval"});  // what training began from may be gone
  config.flags.push_back({option_key::continue_from, "", "eval"});
  config.flags.push_back({option_key::eval_tasks, Names{}, "eval"});
  if (asked.threads > 0) flag(option_key::threads, std::to_string(asked.threads), "--threads");
  flag(option_key::device, asked.device, "--device");
  const std::string trained_on = nlohmann::json(record.config).value("/device/name"_json_pointer, "cpu");
  if (!asked.device.empty() && devices::kind_of(devices::find_device(asked.device, "--device")) != trained_on)
    flag(option_key::backend, "auto", "--device");
  if (asked.batch_size > 0) flag(option_key::eval_batch_size, std::to_string(asked.batch_size), "--batch-size");
  return config;
}

TaskData trained_data(const RunFolder& run, const RunRecord& record, Resources& resources, ProgressSink* progress) {
  const ConfigRequest request = configuration_of(run, record, {});
  return open_task(resources, set_up(resources, request, BackboneNeed::sizes).config, progress);
}

EvaluateOutcome score(const Workbench& bench, const CompiledPlan& plan, Scoring& scoring, RunRecord record,
                      const HowMuch& how_much, ProgressSink& progress) {
  EvaluateOutcome outcome{std::move(record), {}, 0, {}, 0, scoring.warnings()};
  for (const std::string& warning : outcome.warnings) progress.note("warning: " + warning);
  const Stopwatch watch;
  const RunEvaluation evaluation =
      scoring.evaluate(plan, bench.setup.config.options.eval.split, how_much.examples, progress);
  outcome.seconds = watch.wall_seconds();
  require_unchanged_files(*bench.backbone, bench.checksum);
  for (const std::string& remark : scoring.remarks(evaluation)) {
    progress.note("warning: " + remark);
    outcome.warnings.push_back(remark);
  }
  outcome.loss = evaluation.whole.loss;
  outcome.examples = evaluation.whole.examples;
  describe_task(bench.task, outcome.record);
  scoring.describe(evaluation, outcome.record);
  outcome.split = outcome.record.metrics.front().split;
  if (how_much.predictions) scoring.write_predictions(evaluation, *how_much.predictions);
  return outcome;
}

EvaluateOutcome evaluate_run(const EvaluateRequest& request, ProgressSink& progress) {
  Resources resources(request.paths);
  FinishedRun finished = open_finished(request.run, request.asked, resources);
  use_machine(finished.setup.config);
  progress.update({"load", 0, 0, "backbone and data"});
  const Workbench bench = open_workbench(resources, finished.setup, &progress);
  ScoredRun run(std::move(finished), bench, resources, request.asked, progress);
  for (const std::string& warning : run.warnings()) progress.note("warning: " + warning);
  EvaluateOutcome outcome =
      score(run.bench(), run.plan(), run.scoring(), run.record(), {request.examples, request.predictions}, progress);
  outcome.warnings.insert(outcome.warnings.begin(), run.warnings().begin(), run.warnings().end());
  return outcome;
}

}  // namespace peftbench::commands
