#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"
#include "results/published.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::report {

// A column of scores on a task, by one metric.
struct ScoreColumn {
  std::string task, metric;
  std::size_t place = 0;
};

// Adds what others have published on these tasks: rows below a rule with their citations in a note, never marked as the
// best. A score by another metric than its column's is shown with the metric. `mean`: the column for the mean of a row
// that has a score by the same metric in every column.
void add_published(Table& table, const std::vector<ScoreColumn>& columns, std::optional<std::size_t> mean,
                   const std::vector<PublishedScore>& published);

// A line for each entry whose task is none of the rows'.
std::vector<std::string> not_shown(const std::vector<ComparisonRow>& rows,
                                   const std::vector<PublishedScore>& published);

}  // namespace peftbench::report
