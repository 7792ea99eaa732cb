#include "report/score_grid.h"

#include "report/best.h"
#include "report/format.h"
#include "report/table_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace peftbench::report {
namespace {

using Rows = std::vector<const ComparisonRow*>;

// What the row has in place of a score: the worst status of its runs.
std::string state(const ComparisonRow& row) {
  for (const char* status : {"failed", "interrupted", "stopped", "running", "missing"})
    for (const SeedRun& run : row.runs)
      if (run.status == status) return status;
  return Cell::absent;
}

const Standing* standing_in(const ComparisonRow& row, const std::string& task, bool trained) {
  for (const GridStanding& cell : row.in_grids)
    if (cell.task == task && cell.trained == trained) return &cell.standing;
  return nullptr;
}

// Of all rows on one backbone, the mixtures' own tasks or the tasks that were not trained on.
std::optional<Table> score_grid(const Rows& rows, bool trained) {
  std::vector<std::string> tasks;
  const auto add = [&](const std::string& task) {
    if (std::find(tasks.begin(), tasks.end(), task) == tasks.end()) tasks.push_back(task);
  };
  const auto has = [&](const ComparisonRow& row) {
    return std::any_of(row.others.begin(), row.others.end(), [&](const auto& o) { return o.trained == trained; });
  };
  for (const ComparisonRow* row : rows) {
    if (!has(*row)) continue;
    add(row->task);
    for (const OtherScore& other : row->others)
      if (other.trained == trained) add(other.task);
  }
  if (tasks.empty()) return std::nullopt;
  Table grid({"trained on", "method"});
  grid.title = trained ? "tasks of mixtures" : "scores on tasks other than the training task";
  grid.title += " (" + rows.front()->backbone + ")";
  for (const std::string& task : tasks) grid.columns.push_back(right_column(task));
  std::vector<ColumnScores> scores(tasks.size());
  std::vector<std::vector<const Standing*>> standings(tasks.size());
  for (const ComparisonRow* row : rows) {
    if (!has(*row)) continue;
    std::vector<Cell> line = {row->task, row->label};
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const std::string& task = tasks[t];
      const auto other = std::find_if(row->others.begin(), row->others.end(),
                                      [&](const auto& o) { return o.trained == trained && o.task == task; });
      line.push_back(task == row->task            ? Cell(score_text(*row))
                     : other == row->others.end() ? Cell()
                                                  : Cell(score_text(other->score, other->interval)));
      scores[t].push_back(task == row->task            ? column_score(*row)
                          : other == row->others.end() ? std::nullopt
                                                       : column_score(*row, *other));
      standings[t].push_back(standing_in(*row, task, trained));
    }
    grid.add(std::move(line));
  }
  std::vector<Cell> constants = {Cell(), "constant answers"};
  for (const std::string& task : tasks) {
    std::optional<double> bar;
    for (const ComparisonRow* row : rows) {
      if (row->task == task && row->majority) bar = row->majority;
      for (const OtherScore& other : row->others)
        if (other.task == task && !bar) bar = other.majority;
    }
    constants.push_back(bar ? Cell(format_score(*bar), *bar) : Cell());
  }
  grid.add(std::move(constants));
  bool tied = false;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    mark_best(grid, t + 2, scores[t]);
    mark_tied(grid, t + 2, standings[t]);
    tied |= has_tied(grid, t + 2);
  }
  if (tied)
    grid.notes.push_back(
        {"tests",
         {fmt::format("{} not distinguishable from the best row on its task: p ≥ {} after Holm's adjustment over all "
                      "pairs of such grids",
                      tied_mark, significance)}});
  return grid;
}

}  // namespace

std::string score_text(const Summary& score, const std::optional<Interval>& interval) {
  if (score.n == 0) return Cell::absent;
  const std::string mean = format_score(score.mean);
  if (score.n == 1 && interval)
    return fmt::format("{} [{}, {}]", mean, format_score(interval->low), format_score(interval->high));
  return mean + (score.deviation && std::isfinite(*score.deviation) ? fmt::format(" ± {:.3f}", *score.deviation) : "");
}

std::string score_text(const ComparisonRow& row) {
  return row.score.n == 0 ? state(row) : score_text(row.score, row.interval);
}

std::vector<Table> score_grids(const std::vector<ComparisonRow>& rows) {
  std::vector<std::pair<std::string, Rows>> backbones;
  for (const ComparisonRow& row : rows) {
    auto place =
        std::find_if(backbones.begin(), backbones.end(), [&](const auto& b) { return b.first == row.backbone; });
    if (place == backbones.end()) place = backbones.insert(backbones.end(), {row.backbone, {}});
    place->second.push_back(&row);
  }
  std::vector<Table> grids;
  for (const auto& [backbone, some] : backbones)
    for (const bool trained : {true, false})
      if (auto grid = score_grid(some, trained)) grids.push_back(std::move(*grid));
  return grids;
}

}  // namespace peftbench::report
