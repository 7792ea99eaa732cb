#pragma once

#include "core/progress.h"
#include "results/result_store.h"
#include "run/layer.h"
#include "run/workbench.h"

#include <functional>
#include <string>

namespace peftbench::run {

struct RunRequest {
  Paths paths;
  ConfigRequest config;
  fs::path out = "runs";
  bool fresh = false;          // discard an earlier run of the same configuration
  std::function<bool()> stop;  // called often; true: save the checkpoint and throw Interrupted
};

struct RunOutcome {
  RunRecord record;
  RunFolder folder;
  bool was_finished = false;  // nothing was done: the record is of an earlier run of the same configuration
};

// Trains and evaluates, or continues a killed process, and updates the record. Errors after the creation of the
// run's folder are stored in the record (status failed) and thrown.
RunOutcome run(const RunRequest& request, ProgressSink& progress);

}  // namespace peftbench::run
