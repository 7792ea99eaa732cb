#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"

#include <optional>
#include <string>
#include <vector>

namespace peftbench::report {

// Scores on several tasks: a line for each method and task that it was trained on, a column for each task. For each
// backbone a table of the mixtures' own tasks and one of the tasks that were not trained on, where there are any.
std::vector<Table> score_grids(const std::vector<ComparisonRow>& rows);

// "0.812 ± 0.013" over seeds, "0.812 [0.790, 0.833]" of one; if no run has finished, the status of the runs.
std::string score_text(const Summary& score, const std::optional<Interval>& interval);
std::string score_text(const ComparisonRow& row);

}  // namespace peftbench::report
