#pragma once

#include "report/layer.h"
#include "results/comparison.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace peftbench::report {

// What the forms of a table say of a row in the same words.

std::int64_t finished(const ComparisonRow& row);  // runs

// The first two parts, what and found, of a message with several lines.
std::string first_lines(const std::string& message);

// All that a table of figures does not show: the warnings of its runs, and how it is evaluated otherwise.
std::vector<std::string> warnings_of(const ComparisonRow& row);

// What is said of the rows of a table.
struct RowNote {
  std::string label, text;
};
// "LABEL: TEXT", in the order of the first that says it: rows that say the same in one line, with "all rows" where all
// `rows` do, and at most eight labels.
std::vector<std::string> joined_notes(const std::vector<RowNote>& notes, std::size_t rows);

}  // namespace peftbench::report
