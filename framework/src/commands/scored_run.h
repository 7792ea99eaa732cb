#pragma once

#include "adapters/made_from.h"
#include "commands/evaluate_run.h"
#include "commands/layer.h"
#include "plugin/finder.h"
#include "run/scoring.h"

#include <memory>
#include <string>
#include <vector>

namespace peftbench::commands {

// A finished run with its configuration, before its adapter is read.
struct FinishedRun {
  RunFolder folder;
  RunRecord record;
  Setup setup;  // with the changes of `asked`
};
// Throws DataError for a run that has not finished.
FinishedRun open_finished(const RunFolder& folder, const Asked& asked, Resources& resources);

// Several, for one backbone. Throws ConfigError for a run that is given twice, or of another backbone than the first.
std::vector<FinishedRun> open_finished(const std::vector<RunFolder>& folders, const Asked& asked, Resources& resources);

// A finished run on the task of a workbench. All scores of runs that have ended come from here, so `eval` and
// `ensemble` read its answers alike. Throws where the task, the adapter or the vocabulary is not what the run had.
class ScoredRun {
 public:
  // `shared` was opened with the setup of this run, or of another that asks the same task.
  ScoredRun(FinishedRun run, const Workbench& shared, Resources& resources, const Asked& asked, ProgressSink& progress);
  ScoredRun(const ScoredRun&) = delete;
  ScoredRun& operator=(const ScoredRun&) = delete;

  const RunRecord& record() const { return record_; }
  const Workbench& bench() const { return bench_; }
  const CompiledPlan& plan() const { return plan_; }
  Scoring& scoring() { return *scoring_; }
  const std::vector<std::string>& warnings() const { return warnings_; }  // for the reader of the scores

 private:
  void tell_of_other_task();
  Elsewhere elsewhere(bool own, Resources& resources, ProgressSink& progress);
  std::vector<std::string> learnt_labels(Resources& resources) const;

  RunFolder folder_;
  RunRecord record_;
  MadeFrom made_;
  Workbench bench_;
  CompiledPlan plan_;
  TaskData trained_;  // the training data, if needed
  std::unique_ptr<Scoring> scoring_;
  std::vector<std::string> warnings_;
};

}  // namespace peftbench::commands
