#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"
#include "results/table_tests.h"

#include <optional>
#include <string>
#include <vector>

namespace peftbench::report {

// Every pair of rows that was tested: a table for each task and backbone, with what was not tested below. `rows` are
// those that the places of the tests count.
std::vector<Table> pair_tables(const std::vector<ComparisonRow>& rows, const TableTests& tests);

// All pairs in one table with plain numbers, for CSV and JSON.
Table pair_data_table(const std::vector<ComparisonRow>& rows, const TableTests& tests);

// "0.0391", "< 0.0001"; absent: "–".
std::string p_text(const std::optional<double>& p);

}  // namespace peftbench::report
