#pragma once

#include "results/comparison.h"

#include <string>
#include <vector>

namespace peftbench {

// A table of scores on several tasks: a line for each method and task that it was trained on, a column for each task.
struct ScoreGrid {
  std::string title;
  std::vector<std::string> headers;  // as TextTable's
  std::vector<std::vector<std::string>> lines;
};

// For each backbone one of the mixtures' own tasks and one of the tasks that were not trained on, where there are any.
std::vector<ScoreGrid> score_grids(const std::vector<ComparisonRow>& rows);

// "0.812 ± 0.013"; if no run has finished, the status of the runs.
std::string score_text(const Summary& score);
std::string score_text(const ComparisonRow& row);

}  // namespace peftbench
