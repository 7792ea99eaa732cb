#pragma once

#include "core/progress.h"
#include "results/result_store.h"
#include "run/workbench.h"

#include <functional>
#include <string>

namespace peftbench {

struct RunRequest {
  Paths paths;
  ConfigRequest config;
  fs::path out = "runs";
  bool fresh = false;          // throw away what an earlier run of the same configuration left
  std::function<bool()> stop;  // asked often; true: keep the checkpoint and throw Interrupted
};

struct RunOutcome {
  RunRecord record;
  RunFolder folder;
  bool was_finished = false;  // nothing was done: the record is of an earlier run of the same configuration
};

// Trains and evaluates, or goes on where a killed process left off, and keeps the record. What goes wrong once the
// run has its folder stands in the record too (status failed), then comes out as an exception.
RunOutcome run(const RunRequest& request, ProgressSink& progress);

}  // namespace peftbench
