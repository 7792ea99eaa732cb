#include "cli/page_of.h"

#include "cli/console.h"
#include "commands/report_page.h"
#include "results/benchmark.h"

#include <utility>

namespace peftbench::cli {

PageData page_of(std::vector<ComparisonRow> rows, const StoredRuns& stored, const Paths& paths,
                 const PageOptions& options) {
  ConsoleProgress progress;
  for (ComparisonRow& mean : benchmark_rows(rows)) rows.push_back(std::move(mean));
  PageRequest request;
  request.tests = options.tests;
  request.tables = comparison_tables(rows, true, options);
  request.home = paths.home;
  for (const ComparisonRow& row : rows)
    if (row.search) request.searches.push_back(*row.search);
  request.rows = std::move(rows);
  PageData data = gather_page(std::move(request), stored, progress);
  progress.clear();
  return data;
}

}  // namespace peftbench::cli
