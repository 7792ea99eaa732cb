#pragma once

#include "results/comparison.h"
#include "results/layer.h"

#include <vector>

namespace peftbench::results {

// SuperGLUE's score: the mean over its eight tasks, of which CB, MultiRC and ReCoRD first have their two metrics
// averaged (the metric `mean`). A row for each label and backbone that has a score on all eight, over the seeds that
// all of them have: "superglue (mean of 8)". Costs and counts are not added up: they are each task's own.
std::vector<ComparisonRow> benchmark_rows(const std::vector<ComparisonRow>& rows);

// Whether it is one of those rows.
bool is_benchmark_mean(const ComparisonRow& row);

}  // namespace peftbench::results
