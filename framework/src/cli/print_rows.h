#pragma once

#include "cli/layer.h"
#include "report/comparison_report.h"
#include "results/comparison.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::cli {

// Columns of the terminal, or what fits a page where there is none.
std::size_t page_width();

// The table of `suite` and `report`, with the rows of benchmark_rows added. `format`: text, markdown, csv, json, latex
// or html. `by_task`: text and Markdown have the table of means over tasks too, which LaTeX and HTML always have; CSV
// and JSON are this table alone, and have every column.
void print_rows(std::vector<ComparisonRow> rows, const std::string& format, bool by_task = false,
                const PageOptions& options = {});

// The pairs of rows that were tested, in these forms. `rows` are those that the tests' places count.
void print_pairs(const std::vector<ComparisonRow>& rows, const TableTests& tests, const std::string& format);

}  // namespace peftbench::cli
