#include "report/by_task.h"

#include "core/names.h"
#include "report/best.h"
#include "report/format.h"
#include "report/published_rows.h"
#include "report/score_grid.h"
#include "report/table_parts.h"
#include "results/benchmark.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace peftbench::report {
namespace {

struct MethodOnTasks {
  std::string label;
  std::map<std::string, std::vector<const ComparisonRow*>> rows;  // by tasks
};

struct TaskGrid {
  std::string backbone;
  std::vector<std::string> tasks;  // in the order of the rows, as are the methods
  std::vector<MethodOnTasks> methods;
};

// Unfinished runs do not tell that their task is a mixture: those of other rows do.
std::set<std::string> mixtures(const std::vector<ComparisonRow>& rows) {
  std::set<std::string> tasks;
  for (const ComparisonRow& row : rows)
    if (std::any_of(row.others.begin(), row.others.end(), [](const auto& o) { return o.trained; }))
      tasks.insert(row.task);
  return tasks;
}

bool is_unreadable(const ComparisonRow& row) { return !row.runs.empty() && row.runs.front().status == "unreadable"; }

template <class List, class Is>
auto& found_or_added(List& list, Is&& is, typename List::value_type made) {
  const auto found = std::find_if(list.begin(), list.end(), is);
  return found != list.end() ? *found : *list.insert(list.end(), std::move(made));
}

// The row of a benchmark's mean for a method of this backbone.
const ComparisonRow* benchmark_row(const std::vector<ComparisonRow>& rows, const std::string& backbone,
                                   const std::string& label) {
  for (const ComparisonRow& row : rows)
    if (is_benchmark_mean(row) && row.backbone == backbone && row.label == label) return &row;
  return nullptr;
}

std::vector<TaskGrid> task_grids(const std::vector<ComparisonRow>& rows) {
  const std::set<std::string> mixed = mixtures(rows);
  std::vector<TaskGrid> grids;
  std::map<std::pair<std::string, std::string>, std::size_t> places;  // of a method in its grid, by backbone and label
  for (const ComparisonRow& row : rows) {
    if (is_unreadable(row) || mixed.count(row.task) > 0 || is_benchmark_mean(row)) continue;
    TaskGrid& grid = found_or_added(
        grids, [&](const TaskGrid& g) { return g.backbone == row.backbone; }, TaskGrid{row.backbone, {}, {}});
    found_or_added(
        grid.tasks, [&](const std::string& task) { return task == row.task; }, row.task);
    const auto [place, added] = places.try_emplace({row.backbone, row.label}, grid.methods.size());
    if (added) grid.methods.push_back({row.label, {}});
    grid.methods[place->second].rows[row.task].push_back(&row);
  }
  std::erase_if(grids, [](const TaskGrid& grid) {
    return std::none_of(grid.methods.begin(), grid.methods.end(), [](const auto& m) { return m.rows.size() > 1; });
  });
  return grids;
}

// The method's only row on the task, if it has a score.
const ComparisonRow* scored_row(const MethodOnTasks& method, const std::string& task) {
  const auto found = method.rows.find(task);
  if (found == method.rows.end() || found->second.size() != 1) return nullptr;
  const ComparisonRow* row = found->second.front();
  return row->score.n > 0 && std::isfinite(row->score.mean) ? row : nullptr;
}

std::string lack(const MethodOnTasks& method, const std::string& task) {
  const auto found = method.rows.find(task);
  if (found == method.rows.end()) return "no run on " + task;
  if (found->second.size() > 1) return fmt::format("{} rows on {}", found->second.size(), task);
  return (found->second.front()->score.n > 0 ? "undefined score on " : "no score on ") + task;
}

std::vector<std::string> lacks(const MethodOnTasks& method, const TaskGrid& grid) {
  std::vector<std::string> result;
  for (const std::string& task : grid.tasks)
    if (!scored_row(method, task)) result.push_back(lack(method, task));
  return result;
}

std::optional<double> mean_over_tasks(const MethodOnTasks& method, const TaskGrid& grid) {
  double sum = 0;
  for (const std::string& task : grid.tasks) {
    const ComparisonRow* row = scored_row(method, task);
    if (!row) return std::nullopt;
    sum += row->score.mean;
  }
  return sum / static_cast<double>(grid.tasks.size());
}

// What stands in a column: "accuracy on test", joined by " or " where the rows differ.
std::string kinds_on(const std::vector<const MethodOnTasks*>& methods, const std::string& task) {
  std::vector<std::string> kinds;
  for (const MethodOnTasks* method : methods) {
    const ComparisonRow* row = scored_row(*method, task);
    const std::string kind = row->metric + " on " + row->split;
    found_or_added(
        kinds, [&](const std::string& k) { return k == kind; }, kind);
  }
  return join(kinds, " or ");
}

// "seeds 1, 2 on films; 1 on tweets" where they are not the same on all tasks.
std::optional<std::string> differing_seeds(const MethodOnTasks& method, const TaskGrid& grid) {
  std::vector<std::string> texts;
  std::set<std::string> different;
  for (const std::string& task : grid.tasks) {
    std::vector<std::string> seeds;
    for (const SeedRun& run : scored_row(method, task)->runs)
      if (run.score) seeds.push_back(std::to_string(run.seed));
    different.insert(join(seeds));
    texts.push_back(join(seeds) + " on " + task);
  }
  return different.size() > 1 ? std::optional("seeds " + join(texts, "; ")) : std::nullopt;
}

std::vector<std::string> evaluated_otherwise(const MethodOnTasks& method, const TaskGrid& grid) {
  std::vector<std::string> lines;
  for (const std::string& task : grid.tasks)
    if (const auto& otherwise = scored_row(method, task)->otherwise; !otherwise.empty())
      lines.push_back(method.label + " on " + task + ": " + join(otherwise));
  return lines;
}

// The mean is of one kind if those of the tasks are; it is compared if all of them are.
std::optional<ColumnScore> mean_score(const MethodOnTasks& method, const TaskGrid& grid) {
  ColumnScore score{"", *mean_over_tasks(method, grid)};
  for (const std::string& task : grid.tasks) {
    const auto part = column_score(*scored_row(method, task));
    if (!part) return std::nullopt;
    score.kind += part->kind + "\n";
  }
  return score;
}

void add_line(Table& table, const MethodOnTasks& method, const TaskGrid& grid, bool marked,
              const std::optional<Cell>& benchmark) {
  std::vector<Cell> cells = {Cell(method.label + (marked ? " *" : ""), method.label)};
  for (const std::string& task : grid.tasks) cells.emplace_back(score_text(*scored_row(method, task)));
  if (benchmark) cells.push_back(*benchmark);
  const double mean = *mean_over_tasks(method, grid);
  cells.emplace_back(format_score(mean), mean);
  table.add(std::move(cells));
}

// What always giving one answer reaches, by the metric of all these rows.
std::optional<double> bar_of(const std::vector<const ComparisonRow*>& rows) {
  std::optional<double> bar;
  for (const ComparisonRow* row : rows) {
    if (!row->majority || row->metric != rows.front()->metric || row->split != rows.front()->split) return std::nullopt;
    bar = row->majority;
  }
  return bar;
}

// The last row, below a rule.
void add_constant_answer(Table& table, const std::vector<std::optional<double>>& bars, bool has_benchmark) {
  if (std::none_of(bars.begin(), bars.end(), [](const auto& bar) { return bar.has_value(); })) return;
  std::vector<Cell> cells = {"constant answer"};
  double sum = 0;
  bool all = true;
  const std::size_t tasks = bars.size() - (has_benchmark ? 1 : 0);
  for (std::size_t b = 0; b < bars.size(); ++b) {
    cells.push_back(bars[b] ? Cell(format_score(*bars[b]), *bars[b]) : Cell());
    if (b >= tasks) continue;
    all = all && bars[b];
    sum += bars[b].value_or(0);
  }
  const double mean = sum / static_cast<double>(tasks);
  cells.push_back(all ? Cell(format_score(mean), mean) : Cell());
  table.add_rule();
  table.add(std::move(cells));
}

Table by_task_table(const TaskGrid& grid, const std::vector<ComparisonRow>& rows,
                    const std::vector<PublishedScore>& published) {
  constexpr int in_a_part = 6;  // tasks side by side on a page that is too narrow for all
  Table table({"method"});
  int number = 0;
  for (const std::string& task : grid.tasks) table.columns.emplace_back(task, Align::right, task, number++ / in_a_part);
  const int last_part = (number - 1) / in_a_part;
  const ComparisonRow* benchmark = nullptr;
  for (const MethodOnTasks& method : grid.methods)
    if (!benchmark) benchmark = benchmark_row(rows, grid.backbone, method.label);
  if (benchmark) table.columns.emplace_back(benchmark->task, Align::right, benchmark->task, last_part);
  table.columns.emplace_back("mean", Align::right, "mean", last_part);
  std::vector<ColumnScores> scores(table.columns.size() - 1);
  std::vector<const ComparisonRow*> means;  // of the benchmark
  std::vector<const MethodOnTasks*> complete;
  std::vector<std::string> kinds, otherwise, seeds, without;
  for (const MethodOnTasks& method : grid.methods) {
    if (const std::vector<std::string> missing = lacks(method, grid); !missing.empty()) {
      without.push_back(method.label + ": " + join(missing));
      continue;
    }
    complete.push_back(&method);
    const std::vector<std::string> different = evaluated_otherwise(method, grid);
    otherwise.insert(otherwise.end(), different.begin(), different.end());
    if (const auto text = differing_seeds(method, grid)) seeds.push_back(method.label + ": " + *text);
    std::optional<Cell> mean;
    if (benchmark) {
      const ComparisonRow* row = benchmark_row(rows, grid.backbone, method.label);
      mean = row ? Cell(score_text(*row)) : Cell();
      scores[grid.tasks.size()].push_back(row ? column_score(*row) : std::nullopt);
      if (row) means.push_back(row);
    }
    add_line(table, method, grid, !different.empty(), mean);
    for (std::size_t t = 0; t < grid.tasks.size(); ++t)
      scores[t].push_back(column_score(*scored_row(method, grid.tasks[t])));
    scores.back().push_back(mean_score(method, grid));
  }
  for (std::size_t c = 0; c < scores.size(); ++c) mark_best(table, c + 1, scores[c]);
  bool tied = false;
  for (std::size_t t = 0; t < grid.tasks.size(); ++t) {
    std::vector<const Standing*> standings;
    for (const MethodOnTasks* method : complete)
      standings.push_back(standing_in_table(*scored_row(*method, grid.tasks[t])));
    mark_tied(table, t + 1, standings);
    tied |= has_tied(table, t + 1);
  }
  std::vector<std::optional<double>> bars;
  std::vector<ScoreColumn> columns;
  for (const std::string& task : grid.tasks) {
    if (complete.empty()) break;
    kinds.push_back(task + ": " + kinds_on(complete, task));
    std::vector<const ComparisonRow*> on_task;
    for (const MethodOnTasks* method : complete) on_task.push_back(scored_row(*method, task));
    bars.push_back(bar_of(on_task));
    columns.push_back({task, on_task.front()->metric, columns.size() + 1});
  }
  if (complete.empty()) {
    table = Table();  // a header alone tells nothing
  } else {
    if (benchmark) bars.push_back(bar_of(means));
    add_constant_answer(table, bars, benchmark != nullptr);
  }
  table.title = "mean over tasks (" + grid.backbone + ")";
  const auto note = [&](const char* title, std::vector<std::string> lines) {
    if (!lines.empty()) table.notes.push_back({title, std::move(lines)});
  };
  note("scores", std::move(kinds));
  note("* evaluated differently from the rest of the table", std::move(otherwise));
  if (tied)
    table.notes.push_back({"tests", {std::string(tied_mark) + " not distinguishable from the best row on its task"}});
  note("seeds that differ between tasks", std::move(seeds));
  note("without a mean over the tasks", std::move(without));
  if (!complete.empty()) add_published(table, columns, table.columns.size() - 1, published);
  return table;
}

Cell score_cell(const std::optional<double>& score) { return score ? Cell(format_score(*score), *score) : Cell(); }

std::optional<double> score_on(const MethodOnTasks& method, const std::string& task) {
  const ComparisonRow* row = scored_row(method, task);
  return row ? std::optional(row->score.mean) : std::nullopt;
}

}  // namespace

std::vector<Table> tables_by_task(const std::vector<ComparisonRow>& rows,
                                  const std::vector<PublishedScore>& published) {
  std::vector<Table> tables;
  for (const TaskGrid& grid : task_grids(rows)) tables.push_back(by_task_table(grid, rows, published));
  return tables;
}

Table by_task_csv_table(const std::vector<ComparisonRow>& rows) {
  const std::vector<TaskGrid> grids = task_grids(rows);
  std::vector<std::string> tasks;
  for (const TaskGrid& grid : grids)
    for (const std::string& task : grid.tasks)
      found_or_added(
          tasks, [&](const std::string& t) { return t == task; }, task);
  Table table({"backbone", "label"});
  for (const std::string& task : tasks) table.columns.push_back(right_column(task));
  table.columns.push_back(right_column("mean_over_tasks"));
  for (const TaskGrid& grid : grids)
    for (const MethodOnTasks& method : grid.methods) {
      std::vector<Cell> cells = {grid.backbone, method.label};
      for (const std::string& task : tasks) cells.push_back(score_cell(score_on(method, task)));
      cells.push_back(score_cell(mean_over_tasks(method, grid)));
      table.add(std::move(cells));
    }
  return table;
}

Json by_task_json(const std::vector<ComparisonRow>& rows) {
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); };
  Json lines = Json::array();
  for (const TaskGrid& grid : task_grids(rows))
    for (const MethodOnTasks& method : grid.methods) {
      Json scores = Json::object();
      for (const std::string& task : grid.tasks) scores[task] = number(score_on(method, task));
      lines.push_back({{"backbone", grid.backbone},
                       {"label", method.label},
                       {"scores", std::move(scores)},
                       {"mean_over_tasks", number(mean_over_tasks(method, grid))}});
    }
  return lines;
}

}  // namespace peftbench::report
