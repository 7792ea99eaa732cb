#pragma once

#include "commands/layer.h"
#include "commands/suite_spec.h"
#include "core/progress.h"
#include "results/stored_runs.h"
#include "results/suite_manifest.h"
#include "run/workbench.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace peftbench::commands {

struct SuiteRequest {
  Paths paths;
  SuiteSpec spec;
  std::vector<Setting> settings;  // of --set, for every run
  fs::path out = "runs";
  std::int64_t jobs = 1;  // concurrent runs
  // Of a run whose settings do not say them: the first. Where its id is not among the runs that are there, it is looked
  // for with the others, which earlier commands gave.
  std::vector<std::int64_t> threads = {1};
  std::vector<std::uint64_t> seeds;  // of --seeds; empty: the file's
  std::function<bool()> stop;
};

// One run, resolved.
struct SuiteRun {
  SuiteCell cell;
  RunConfig config;
  bool finished = false;
};

// All runs in the table's order, with the ids that they will have. Everything that can be wrong in the suite, its
// methods, tasks, backbones and data is refused here, but for weights, which are not opened (KnownWeights). A method
// that cannot do a task at all (it needs label words) is not: its cell has a message, and no id.
std::vector<SuiteRun> resolve_suite(const SuiteRequest& request, const StoredRuns& stored, Resources& resources);

// The processors per concurrent run.
std::int64_t threads_of_a_run(std::int64_t jobs);

// Each run in a process of this program, so that a peak of memory is one run's and a crash is a row. What has finished
// before is not run again. Throws Interrupted, or what keeps the suite from going on, once all processes have kept
// their checkpoints.
SuiteManifest run_suite(const SuiteRequest& request, const std::vector<SuiteRun>& runs, ProgressSink& progress);

}  // namespace peftbench::commands
