#pragma once

#include "commands/evaluate_run.h"

#include <string>
#include <vector>

namespace peftbench {

// An adapter that belongs to no run: another program's, or a folder of ours that was copied or imported.
struct EvaluateAdapterRequest {
  Paths paths;
  fs::path adapter;
  std::string method;             // where several methods could take it; else empty
  std::string backbone;           // empty: the one that the adapter names
  Asked asked;                    // of which the task may be empty where the adapter names one
  std::vector<Setting> settings;  // --set, of evaluation, task and backbone alone
  std::int64_t examples = 0;      // 0: all
  std::optional<fs::path> predictions;
};

// Scores it as it is: nothing is trained and nothing is kept.
EvaluateOutcome evaluate_adapter(const EvaluateAdapterRequest& request, ProgressSink& progress);

}  // namespace peftbench
