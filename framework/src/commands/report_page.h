#pragma once

#include "commands/layer.h"
#include "core/files.h"
#include "core/progress.h"
#include "report/page/page_data.h"
#include "results/comparison.h"
#include "results/search_results.h"
#include "results/stored_runs.h"
#include "results/table_tests.h"

#include <vector>

namespace peftbench::commands {

// What the page and its figures are made of.
struct PageRequest {
  std::vector<ComparisonRow> rows;
  std::vector<report::Table> tables;  // of these rows, as the page is to show them
  TableTests tests;
  std::vector<SearchResult> searches;
  fs::path home;  // Paths::home: the plot library is in .deps/plot of a checkout, in plot of an installation
};

// Adds what stands in the folders of the runs: learning curves, answers, sizes. What cannot be read is left out, with a
// note of the page.
PageData gather_page(PageRequest request, const StoredRuns& stored, ProgressSink& progress);

// One SVG file for each plot, into a folder that is made. Throws DataError if there is nothing to draw. Returns the
// number of files.
std::size_t write_figures(const PageData& data, const fs::path& folder);

}  // namespace peftbench::commands
