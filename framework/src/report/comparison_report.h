#pragma once

#include "results/comparison.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench {

// Rows as a reader wants them: a table for each task and backbone, the failures below. A table that is wider than
// `width` is split into two: scores and costs, then the counts. 0: unlimited.
std::string comparison_text(const std::vector<ComparisonRow>& rows, std::size_t width = 0);

std::string comparison_markdown(const std::vector<ComparisonRow>& rows);

// One table with plain numbers, for other programs.
std::string comparison_csv(const std::vector<ComparisonRow>& rows);
Json comparison_json(const std::vector<ComparisonRow>& rows);

}  // namespace peftbench
