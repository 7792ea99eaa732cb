#pragma once

#include "commands/evaluate_run.h"
#include "commands/layer.h"
#include "config/paths.h"
#include "core/progress.h"
#include "data/readers/row_input.h"
#include "results/result_store.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace peftbench::commands {

struct PredictRequest {
  Paths paths;
  std::vector<RunFolder> runs;  // in the order of their votes
  Asked asked;                  // task, threads and batch size
  RowInput input;
  std::int64_t examples = 0;  // answer only the first N rows; 0: all
  bool scores = false;        // of the label words, also where answers are generated
  bool show_input = false;
};

// Answers rows that need no target, as `eval` answers those of a split: `write` gets a line of JSON for each, in their
// order, a batch at a time (docs/cli.md). One batch is in memory. Of a run's task only the definition is read, and the
// data where the method's layout may draw from them. Throws DataError for a row that the task cannot format, with its
// line, and if there is no row; ConfigError if the runs cannot answer rows without targets.
void predict(const PredictRequest& request, const std::function<void(const std::string& lines)>& write,
             ProgressSink& progress);

}  // namespace peftbench::commands
