#pragma once

#include "report/column_choice.h"
#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"
#include "results/published.h"
#include "results/table_tests.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::report {

// What is asked of pages, besides their rows.
struct PageOptions {
  ColumnChoice columns = {};                   // of the tables of a task
  std::vector<PublishedScore> published = {};  // shown below the rows of their tasks
  TableTests tests = {};                       // of these rows, which have their standings: told below the tables
};

// Rows as a reader wants them: a table for each task and backbone, the failures below; then that of searches
// (report/search_report.h), those of scores on several tasks (report/score_grid.h), and with `by_task` those of means
// over tasks (report/by_task.h).
std::vector<Table> comparison_tables(const std::vector<ComparisonRow>& rows, bool by_task = false,
                                     const PageOptions& options = {});

// These tables. One that is wider than `width` comes in two: what was scored and what it cost, then the counts. 0: as
// wide as it is.
std::string comparison_text(const std::vector<ComparisonRow>& rows, std::size_t width = 0, bool by_task = false,
                            const PageOptions& options = {});
std::string comparison_markdown(const std::vector<ComparisonRow>& rows, bool by_task = false,
                                const PageOptions& options = {});

// For papers and browsers, always with the means over tasks; the best scores are emphasised.
std::string comparison_latex(const std::vector<ComparisonRow>& rows, const PageOptions& options = {});
std::string comparison_html(const std::vector<ComparisonRow>& rows, const PageOptions& options = {});

// One table with plain numbers, for other programs.
std::string comparison_csv(const std::vector<ComparisonRow>& rows);
Json comparison_json(const std::vector<ComparisonRow>& rows);

}  // namespace peftbench::report
