#pragma once

#include "cli/layer.h"
#include "results/comparison.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::cli {

// Columns of the terminal, or what fits a page where there is none.
std::size_t page_width();

// The table of `suite` and `report`, with the rows of benchmark_rows added. `format`: json, markdown, csv or text.
void print_rows(std::vector<ComparisonRow> rows, const std::string& format);

}  // namespace peftbench::cli
