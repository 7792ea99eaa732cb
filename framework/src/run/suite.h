#pragma once

#include "core/progress.h"
#include "results/suite_manifest.h"
#include "run/suite_spec.h"
#include "run/workbench.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace peftbench {

struct SuiteRequest {
  Places places;
  SuiteSpec spec;
  std::vector<Setting> settings;  // of --set, for every run
  fs::path out = "runs";
  std::int64_t jobs = 1;  // runs at once; where no setting says `threads`, the processor is divided among them
  std::function<bool()> stop;
};

// One run, resolved.
struct SuiteRun {
  SuiteCell cell;
  RunConfig config;
  bool finished = false;
};

// All runs in the table's order, with the ids that they will have. Everything that can be wrong in the suite, its
// methods, tasks, backbones and data is refused here. A method that cannot do a task at all (it needs label words) is
// not: its cell has a message, and no id.
std::vector<SuiteRun> resolve_suite(const SuiteRequest& request);

// Each run in a process of this program, so that a peak of memory is one run's and a crash is a row. What has finished
// before is not run again. Throws Interrupted, or what keeps the suite from going on, once all processes have kept
// their checkpoints.
SuiteManifest run_suite(const SuiteRequest& request, const std::vector<SuiteRun>& runs, ProgressSink& progress);

}  // namespace peftbench
