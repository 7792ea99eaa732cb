#include "report/best.h"

#include "report/format.h"

#include <algorithm>
#include <cmath>

namespace peftbench::report {
namespace {

std::optional<ColumnScore> comparable(const ComparisonRow& row, const Summary& score, const std::string& metric,
                                      const std::string& split) {
  if (score.n == 0 || !std::isfinite(score.mean) || !row.otherwise.empty()) return std::nullopt;
  return ColumnScore{metric + " on " + split, score.mean};
}

}  // namespace

std::optional<ColumnScore> column_score(const ComparisonRow& row) {
  return comparable(row, row.score, row.metric, row.split);
}

std::optional<ColumnScore> column_score(const ComparisonRow& row, const OtherScore& other) {
  return comparable(row, other.score, other.metric, other.split);
}

std::vector<bool> best_scores(const ColumnScores& scores) {
  std::vector<bool> best(scores.size(), false);
  const ColumnScore* largest = nullptr;
  std::size_t count = 0;
  for (const std::optional<ColumnScore>& score : scores) {
    if (!score) continue;
    if (largest && score->kind != largest->kind) return best;
    if (!largest || score->value > largest->value) largest = &*score;
    ++count;
  }
  if (count < 2) return best;
  for (std::size_t i = 0; i < scores.size(); ++i)
    best[i] = scores[i] && format_score(scores[i]->value) == format_score(largest->value);
  return best;
}

void mark_best(Table& table, std::size_t column, const ColumnScores& scores) {
  const std::vector<bool> best = best_scores(scores);
  for (std::size_t r = 0; r < best.size(); ++r) table.rows.at(r).at(column).best = best[r];
}

const Standing* standing_in_table(const ComparisonRow& row) { return row.standing ? &*row.standing : nullptr; }

void mark_tied(Table& table, std::size_t column, const std::vector<const Standing*>& rows) {
  for (std::size_t r = 0; r < rows.size(); ++r)
    if (rows[r]) table.rows.at(r).at(column).tied = rows[r]->tied_with_best && !rows[r]->best;
}

}  // namespace peftbench::report
