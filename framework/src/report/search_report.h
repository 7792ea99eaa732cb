#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"

#include <vector>

namespace peftbench::report {

// One table of the searches of these rows: trials, the best score on validation examples, the expected best after 1, 2,
// 4, … trials, the chosen values, and which of them are at an end of their space. None without searches.
std::vector<Table> search_tables(const std::vector<ComparisonRow>& rows);

// {"trials": […], "chosen": …, "values": {…}, "expected_best": […], "edges": […], …}
Json search_json(const SearchResult& search);

}  // namespace peftbench::report
