#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::report {

// Rows as a reader wants them: a table for each task and backbone, the failures below; then that of searches
// (report/search_report.h), those of scores on several tasks (report/score_grid.h), and with `by_task` those of means
// over tasks (report/by_task.h).
std::vector<Table> comparison_tables(const std::vector<ComparisonRow>& rows, bool by_task = false);

// These tables. One that is wider than `width` comes in two: what was scored and what it cost, then the counts. 0: as
// wide as it is.
std::string comparison_text(const std::vector<ComparisonRow>& rows, std::size_t width = 0, bool by_task = false);
std::string comparison_markdown(const std::vector<ComparisonRow>& rows, bool by_task = false);

// For papers and browsers, always with the means over tasks; the best scores are emphasised.
std::string comparison_latex(const std::vector<ComparisonRow>& rows);
std::string comparison_html(const std::vector<ComparisonRow>& rows);

// One table with plain numbers, for other programs.
std::string comparison_csv(const std::vector<ComparisonRow>& rows);
Json comparison_json(const std::vector<ComparisonRow>& rows);

}  // namespace peftbench::report
