#pragma once

#include "cli/layer.h"
#include "config/paths.h"
#include "report/comparison_report.h"
#include "report/page/page_data.h"
#include "results/comparison.h"
#include "results/stored_runs.h"

#include <vector>

namespace peftbench::cli {

// The page of `report --format html` and `suite --page`; reads the folders of the runs.
PageData page_of(std::vector<ComparisonRow> rows, const StoredRuns& stored, const Paths& paths,
                 const PageOptions& options);

}  // namespace peftbench::cli
