#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"
#include "results/table_tests.h"

#include <vector>

namespace peftbench::report {

inline constexpr const char* untested_title = "not tested";

// What the tests of a table mean: the mark of tied scores, which tests were made and how they were adjusted, and which
// rows were not tested. `all` are the rows that the tests' places count, `shown` those of the table.
std::vector<Note> test_notes(const std::vector<ComparisonRow>& all, const std::vector<const ComparisonRow*>& shown,
                             const TableTests& tests);

}  // namespace peftbench::report
