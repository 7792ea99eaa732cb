#pragma once

#include "commands/evaluate_run.h"
#include "commands/layer.h"

#include <string>
#include <vector>

namespace peftbench::commands {

// An adapter that belongs to no run: another program's, or a folder of ours that was copied or imported.
struct EvaluateAdapterRequest {
  Paths paths;
  fs::path adapter;
  std::string method;             // if several methods support it; otherwise empty
  std::string backbone;           // empty: the one that the adapter names
  Asked asked;                    // its task may be empty if the adapter records one
  std::vector<Setting> settings;  // --set, of evaluation, task and backbone alone
  std::int64_t examples = 0;      // 0: all
  std::optional<fs::path> predictions;
};

// Evaluates it: nothing is trained or stored.
EvaluateOutcome evaluate_adapter(const EvaluateAdapterRequest& request, ProgressSink& progress);

}  // namespace peftbench::commands
