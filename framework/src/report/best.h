#pragma once

#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::report {

// A score that can be the best of its column, and what it is: "accuracy on test".
struct ColumnScore {
  std::string kind;
  double value = 0;
};
using ColumnScores = std::vector<std::optional<ColumnScore>>;  // by rows

// Nothing for a row without a score, with an undefined one, or evaluated differently from the rest of its table.
std::optional<ColumnScore> column_score(const ComparisonRow& row);
std::optional<ColumnScore> column_score(const ComparisonRow& row, const OtherScore& other);

// Which scores are the best of their column. Larger is better, for every metric; scores that are shown alike are equal.
// None is the best where there is only one, or where they are of several kinds, which cannot be compared.
std::vector<bool> best_scores(const ColumnScores& scores);

// Marks the best cells of a column; `scores` are those of the first rows.
void mark_best(Table& table, std::size_t column, const ColumnScores& scores);

// Null where the row was not tested in its table.
const Standing* standing_in_table(const ComparisonRow& row);

// Marks the cells of a column whose rows cannot be told apart from the best, which itself is not marked; `rows` are
// those of the first rows, null for none.
void mark_tied(Table& table, std::size_t column, const std::vector<const Standing*>& rows);

}  // namespace peftbench::report
