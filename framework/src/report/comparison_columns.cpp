#include "report/comparison_columns.h"

#include "core/names.h"
#include "report/format.h"
#include "report/row_text.h"
#include "report/score_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace peftbench::report {
namespace {

using TableRows = std::vector<const ComparisonRow*>;

Json json_number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json json_summary(const Summary& summary) {
  return {{"mean", json_number(summary.mean)}, {"sd", json_number(summary.deviation)}, {"n", summary.n}};
}

Cell range_cell(const std::optional<Range>& range) {
  if (!range) return {};
  return {range_text(range), range->low == range->high ? Json(range->low) : Json::array({range->low, range->high})};
}

template <class Shown>
Cell number_cell(const std::optional<double>& value, Shown&& shown) {
  if (!value) return {};
  return {shown(*value), json_number(value)};
}

Cell seeds_cell(const ComparisonRow& row) {
  const auto all = static_cast<std::int64_t>(row.runs.size());
  const std::int64_t good = finished(row);
  return {good == all ? std::to_string(all) : fmt::format("{} of {}", good, all), all};
}

Cell runs_cell(const ComparisonRow& row) {
  Json runs = Json::array();
  for (const SeedRun& run : row.runs)
    runs.push_back({{"seed", run.seed},
                    {"id", run.id},
                    {"status", run.status},
                    {"message", run.message},
                    {"score", json_number(run.score)}});
  return {std::to_string(row.runs.size()), runs};
}

Cell first_message(const ComparisonRow& row) {
  for (const SeedRun& run : row.runs)
    if (const std::string message = first_lines(run.message); !message.empty()) return message;
  return "";
}

Cell tasks_cell(const ComparisonRow& row);

// How the answers came about only matters where that is not the same in all rows.
bool answers_differ(const TableRows& rows) {
  std::set<std::string> answers;
  for (const ComparisonRow* row : rows)
    if (!row->answers.empty()) answers.insert(row->answers);
  return answers.size() > 1;
}

bool have_text_prompts(const TableRows& rows) {
  return std::any_of(rows.begin(), rows.end(),
                     [](const auto* row) { return row->prompt_tokens && row->prompt_tokens->high > 0; });
}

// What a column tells of.
enum class Of {
  row,    // which runs they are: told for each task that they were scored on
  score,  // what was scored: each task has its own
  runs,   // what was measured on the runs: told once, for the row's own task
};

// Of a page that is too narrow for all columns.
enum Part { scores_and_costs, counts };

// Where a column stands among those of a page and of CSV, by rising numbers; 0: it is not there.
struct Place {
  int page = 0, csv = 0;
  bool json = true;
  Part part = counts;
};

struct ComparisonColumn {
  const char* key;    // CSV, JSON
  const char* title;  // of a page
  Align align;
  Of of;
  Place place;
  Cell (*cell)(const ScoredTask&);
  bool (*wanted)(const TableRows&) = nullptr;  // on a page; null: always
};

// Every column of every form, in the order of JSON. Positions are numbers with gaps, so that one more fits in.
const std::vector<ComparisonColumn>& comparison_columns() {
  constexpr Align l = Align::left, r = Align::right;
  constexpr Place json_alone = {};
  const auto csv = [](int place) { return Place{0, place}; };
  const auto csv_alone = [](int place) { return Place{0, place, false}; };
  const auto cost = [](int page, int place) { return Place{page, place, true, scores_and_costs}; };
  const auto count = [](int page, int place) { return Place{page, place, true, counts}; };
  static const std::vector<ComparisonColumn> columns = {
      // On a page it is marked where it is scored otherwise than the rest; below the table stands how.
      {"label", "method", l, Of::row, cost(10, 10),
       [](const ScoredTask& t) { return Cell(t.row.label + (t.row.otherwise.empty() ? "" : " *"), t.row.label); }},
      {"method", "", l, Of::row, csv(20), [](const ScoredTask& t) { return Cell(t.row.method); }},
      {"task", "", l, Of::row, csv(30), [](const ScoredTask& t) { return Cell(t.task); }},
      {"backbone", "", l, Of::row, csv(40), [](const ScoredTask& t) { return Cell(t.row.backbone); }},
      {"metric", "", l, Of::score, csv(50), [](const ScoredTask& t) { return Cell(t.metric); }},
      {"split", "", l, Of::score, csv(60), [](const ScoredTask& t) { return Cell(t.split); }},
      {"answers", "answers", r, Of::runs, cost(30, 200),
       [](const ScoredTask& t) { return Cell(t.row.answers.empty() ? Cell::absent : t.row.answers, t.row.answers); },
       answers_differ},
      {"evaluation", "", l, Of::runs, json_alone, [](const ScoredTask& t) { return Cell("", t.row.evaluation); }},
      {"evaluated_otherwise", "", l, Of::runs, csv(210), [](const ScoredTask& t) { return Cell(t.row.otherwise); }},
      {"warnings", "", l, Of::runs, csv(220), [](const ScoredTask& t) { return Cell(warnings_of(t.row)); }},
      {"examples", "", r, Of::score, csv(70), [](const ScoredTask& t) { return range_cell(t.examples); }},
      {"score", "score", r, Of::score, cost(20, 0),
       [](const ScoredTask& t) {
         return Cell(t.own ? score_text(t.row) : score_text(t.score, t.interval), json_summary(t.score));
       }},
      {"score_low", "", r, Of::score, csv(280),
       [](const ScoredTask& t) {
         return number_cell(t.interval ? std::optional(t.interval->low) : std::nullopt, format_score);
       }},
      {"score_high", "", r, Of::score, csv(290),
       [](const ScoredTask& t) {
         return number_cell(t.interval ? std::optional(t.interval->high) : std::nullopt, format_score);
       }},
      {"tasks", "", l, Of::runs, json_alone, [](const ScoredTask& t) { return tasks_cell(t.row); }},
      {"majority", "majority", r, Of::score, cost(50, 80),
       [](const ScoredTask& t) { return number_cell(t.majority, format_score); }},
      {"illegal_rate", "illegal", r, Of::score, cost(60, 90),
       [](const ScoredTask& t) { return number_cell(t.illegal_rate, format_percent); }},
      {"trained", "trained", r, Of::runs, count(100, 100),
       [](const ScoredTask& t) { return range_cell(t.row.trained); }},
      {"percent", "of all", r, Of::runs, count(110, 110),
       [](const ScoredTask& t) {
         return number_cell(t.row.percent, [](double percent) { return format_percent(percent / 100); });
       }},
      {"receiving_gradient", "with gradient", r, Of::runs, count(120, 120),
       [](const ScoredTask& t) { return range_cell(t.row.receiving_gradient); }},
      {"stored", "stored", r, Of::runs, count(130, 130), [](const ScoredTask& t) { return range_cell(t.row.stored); }},
      {"inference", "at inference", r, Of::runs, count(140, 140),
       [](const ScoredTask& t) { return range_cell(t.row.inference); }},
      {"after_merge", "after merging", r, Of::runs, count(150, 150),
       [](const ScoredTask& t) { return range_cell(t.row.after_merge); }},
      {"bytes_stored", "bytes stored", r, Of::runs, cost(90, 160),
       [](const ScoredTask& t) { return range_cell(t.row.bytes_stored); }},
      {"prompt_tokens", "prompt ids", r, Of::runs, count(170, 170),
       [](const ScoredTask& t) { return range_cell(t.row.prompt_tokens); }, have_text_prompts},
      {"step_seconds", "step", r, Of::runs, cost(70, 180),
       [](const ScoredTask& t) { return number_cell(t.row.step_seconds, format_duration); }},
      {"peak_memory_bytes", "memory", r, Of::runs, cost(80, 190),
       [](const ScoredTask& t) {
         const auto& bytes = t.row.peak_memory_bytes;
         return bytes ? Cell(format_bytes(*bytes), *bytes) : Cell();
       }},
      {"runs", "", l, Of::runs, json_alone, [](const ScoredTask& t) { return runs_cell(t.row); }},
      {"score_mean", "", r, Of::score, csv_alone(230),
       [](const ScoredTask& t) { return number_cell(t.score.mean, format_score); }},
      {"score_sd", "", r, Of::score, csv_alone(240),
       [](const ScoredTask& t) { return number_cell(t.score.deviation, format_score); }},
      {"seeds",
       "seeds",
       r,
       Of::row,
       {40, 250, false, scores_and_costs},
       [](const ScoredTask& t) { return seeds_cell(t.row); }},
      {"seeds_finished", "", r, Of::row, csv_alone(260),
       [](const ScoredTask& t) { return count_cell(finished(t.row)); }},
      {"message", "", l, Of::row, csv_alone(270), [](const ScoredTask& t) { return first_message(t.row); }},
  };
  return columns;
}

// The row's other tasks: what was scored there.
Cell tasks_cell(const ComparisonRow& row) {
  Json tasks = Json::array();
  for (const OtherScore& other : row.others) {
    Json task = {{"task", other.task}, {"trained", other.trained}};
    for (const ComparisonColumn& column : comparison_columns())
      if (column.of == Of::score && column.place.json) task[column.key] = column.cell(other_task(row, other)).value;
    tasks.push_back(std::move(task));
  }
  return {std::to_string(row.others.size()), tasks};
}

int place_in(const ComparisonColumn& column, Form form) {
  return form == Form::page ? column.place.page : form == Form::csv ? column.place.csv : column.place.json;
}

std::vector<const ComparisonColumn*> columns_for(const TableRows& rows, Form form) {
  std::vector<const ComparisonColumn*> columns;
  for (const ComparisonColumn& column : comparison_columns())
    if (place_in(column, form) != 0 && (form != Form::page || !column.wanted || column.wanted(rows)))
      columns.push_back(&column);
  std::stable_sort(columns.begin(), columns.end(),
                   [&](const auto* a, const auto* b) { return place_in(*a, form) < place_in(*b, form); });
  return columns;
}

}  // namespace

ScoredTask own_task(const ComparisonRow& r) {
  return {r, true, r.task, r.metric, r.split, r.score, r.interval, r.examples, r.majority, r.illegal_rate};
}

ScoredTask other_task(const ComparisonRow& row, const OtherScore& o) {
  return {row,        false,         row.task + " → " + o.task, o.metric, o.split, o.score, o.interval, o.examples,
          o.majority, o.illegal_rate};
}

std::string range_text(const std::optional<Range>& range) {
  if (!range) return Cell::absent;
  return range->low == range->high ? with_thousands(range->low)
                                   : with_thousands(range->low) + "–" + with_thousands(range->high);
}

Table comparison_table(const std::vector<const ComparisonRow*>& rows, Form form) {
  const std::vector<const ComparisonColumn*> columns = columns_for(rows, form);
  Table table;
  for (const ComparisonColumn* column : columns)
    table.columns.emplace_back(column->title, column->align, column->key, column->place.part);
  const auto add = [&](const ScoredTask& task) {
    std::vector<Cell> cells;
    for (const ComparisonColumn* column : columns)
      cells.push_back(task.own || column->of != Of::runs ? column->cell(task) : Cell());
    table.add(std::move(cells));
  };
  for (const ComparisonRow* row : rows) {
    add(own_task(*row));
    if (form != Form::csv) continue;
    for (const OtherScore& other : row->others) add(other_task(*row, other));
  }
  return table;
}

}  // namespace peftbench::report
