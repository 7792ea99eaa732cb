#pragma once

#include "commands/layer.h"
#include "results/comparison.h"
#include "results/stored_runs.h"

#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

// Fills in how alike the seeds of a row answer: the share of the scored examples that two runs give the same label, or
// the same text where there are no labels, as the mean over all pairs of the row's finished runs. Left out for a row
// with fewer than two such runs, and where a file of predictions is missing, is not as its record says, or has other
// examples; a line for each of the latter is returned.
std::vector<std::string> add_agreement(std::vector<ComparisonRow>& rows, const StoredRuns& stored);

// The same of the answers of several runs to the same examples.
std::optional<double> mean_agreement(const std::vector<std::vector<std::string>>& answers);

}  // namespace peftbench::commands
