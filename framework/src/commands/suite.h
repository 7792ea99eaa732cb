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

// One run, resolved. A final run whose values a search has not chosen yet has no id and no message, and the
// configuration that the row has without a search.
struct SuiteRun {
  SuiteCell cell;
  RunConfig config;
  bool finished = false;  // nothing of it is to be run: of a trial also one that diverged
};

// All runs of a suite that can be known from the runs that are there.
struct SuitePlan {
  std::vector<SuiteRun> runs;  // final runs, in the table's order
  std::vector<SuiteSearch> searches = {};
  std::vector<SuiteRun> trials = {};  // of all searches, as far as the rungs before are settled
};

// All runs, with the ids that they will have. Everything that can be wrong in the suite, its
// methods, tasks, backbones and data is refused here, but for weights, which are not opened (KnownWeights). A method
// that cannot do a task at all (it needs label words) is not: its cell has a message, and no id. With `search:` a row
// is searched that has something to search: a method that trains nothing has no training settings to choose.
SuitePlan resolve_suite(const SuiteRequest& request, const StoredRuns& stored, Resources& resources);

// The processors per concurrent run.
std::int64_t threads_of_a_run(std::int64_t jobs);

// Each run in a process of this program, so that a peak of memory is one run's and a crash is a row: first the trials
// of searches, then the final runs. What has finished before is not run again. Throws Interrupted, or what keeps the
// suite from going on, once all processes have kept their checkpoints.
SuiteManifest run_suite(const SuiteRequest& request, SuitePlan plan, Resources& resources, ProgressSink& progress);

// The manifest that this plan has before anything of it is run.
SuiteManifest manifest_of(const SuiteRequest& request, const SuitePlan& plan);

// Starts those of `list`, a list of the manifest, that are not finished, and keeps the manifest up to date in the
// folder. `runs` are the cells of that list.
void run_pool(const SuiteRequest& request, const std::vector<SuiteRun>& runs, SuiteManifest& manifest,
              std::vector<SuiteCell> SuiteManifest::*list, ProgressSink& progress);

}  // namespace peftbench::commands
