#pragma once

#include "commands/layer.h"
#include "config/paths.h"
#include "config/run_config.h"
#include "core/progress.h"
#include "data/task/task.h"
#include "results/result_store.h"
#include "run/scoring.h"
#include "run/workbench.h"

#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

// The record of a run that has finished. Throws DataError for another.
RunRecord finished_record(const RunFolder& run);

// What a user may ask of a run otherwise than it was trained; empty or 0: as it was.
struct Asked {
  std::string task, split;
  std::vector<std::string> label_map;  // from:to, for another task
  std::int64_t threads = 0;
  std::string device;  // where the run's own is not there, say
  std::int64_t batch_size = 0;
};
// The run's configuration for scoring it again. Its method is found by its name.
ConfigRequest configuration_of(const RunFolder& run, const RunRecord& record, const Asked& asked);

// The data of the task that a run was trained on, with the examples that its seed drew.
TaskData trained_data(const RunFolder& run, const RunRecord& record, Resources& resources, ProgressSink* progress);

struct EvaluateRequest {
  Paths paths;
  RunFolder run;
  Asked asked;
  std::int64_t examples = 0;  // 0: all
  std::optional<fs::path> predictions;
};

struct EvaluateOutcome {
  RunRecord record;            // the run's, with the metrics of this evaluation
  std::optional<double> loss;  // mean over label tokens; none if nothing single was asked for
  std::int64_t examples = 0;
  std::string split;
  double seconds = 0;  // of scoring, loading left out
  std::vector<std::string> warnings;
};

struct HowMuch {
  std::int64_t examples = 0;  // 0: all
  std::optional<fs::path> predictions;
};
// The part that all evaluations share: `record` with the metrics of `plan` on the workbench's task.
EvaluateOutcome score(const Workbench& bench, const CompiledPlan& plan, Scoring& scoring, RunRecord record,
                      const HowMuch& how_much, ProgressSink& progress);

// Scores a run's adapter again, on its own task or on another. The run's folder is not changed.
EvaluateOutcome evaluate_run(const EvaluateRequest& request, ProgressSink& progress);

}  // namespace peftbench::commands
