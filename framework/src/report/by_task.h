#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"
#include "results/published.h"

#include <vector>

namespace peftbench::report {

// Methods × tasks, with the mean of the tasks' scores: a table for each backbone on which a method (a label) has rows
// on several tasks. A method has a line if it has one score on each task that stands in the table; the others are named
// below, with what they lack. Rows of mixtures and of benchmark_rows, which are means already, are no tasks here; a
// benchmark's mean is a column of its own. Below rules stand what a constant answer reaches, and what others have
// published.
std::vector<Table> tables_by_task(const std::vector<ComparisonRow>& rows,
                                  const std::vector<PublishedScore>& published = {});

// The same for other programs, with unrounded numbers: every method of those backbones in one table; what it lacks, and
// then its mean, is absent. In JSON `scores` has each task of the backbone.
Table by_task_csv_table(const std::vector<ComparisonRow>& rows);
Json by_task_json(const std::vector<ComparisonRow>& rows);

}  // namespace peftbench::report
