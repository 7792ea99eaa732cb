#pragma once

#include "core/progress.h"
#include "results/result_store.h"
#include "run/home.h"

#include <optional>
#include <string>

namespace peftbench {

struct EvaluateRequest {
  Places places;
  RunFolder run;
  std::string task, split;    // empty: the run's own
  std::int64_t examples = 0;  // 0: all
  std::int64_t threads = 0;   // 0: the run's own
  std::optional<fs::path> predictions;
};

struct EvaluateOutcome {
  RunRecord record;  // the run's, with the metrics of this evaluation
  double loss = 0;   // mean over label tokens
  std::int64_t examples = 0;
  std::string split;
};

// Scores a run's adapter again, on its own task or on another. The run's folder is not changed.
EvaluateOutcome evaluate_run(const EvaluateRequest& request, ProgressSink& progress);

}  // namespace peftbench
