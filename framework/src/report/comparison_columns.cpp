#include "report/comparison_columns.h"

#include "core/names.h"
#include "report/format.h"
#include "report/row_cells.h"
#include "report/row_text.h"
#include "report/score_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

namespace peftbench::report {
namespace {

using TableRows = std::vector<const ComparisonRow*>;

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

bool any_forgetting(const TableRows& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const auto* row) { return row->forgetting.has_value(); });
}
bool any_agreement(const TableRows& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const auto* row) { return row->agreement.has_value(); });
}
bool any_ranks(const TableRows& rows) {
  return std::count_if(rows.begin(), rows.end(), [](const auto* row) { return row->standing.has_value(); }) > 1;
}
bool any_searched(const TableRows& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const auto* row) { return !row->searched.empty(); });
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
  std::string key;    // CSV, JSON
  std::string title;  // of a page; empty: it is of no page
  Align align;
  Of of;
  Place place;
  std::function<Cell(const ScoredTask&)> cell;
  const char* meaning;
  bool (*wanted)(const TableRows&) = nullptr;  // on a page, if it is not chosen by name; null: always
  std::optional<int> part = {};                // of a page whose columns were chosen; else that of its place
};

// Every column of every form, in the order of JSON. Positions are numbers with gaps, so that one more fits in.
const std::vector<ComparisonColumn>& comparison_columns() {
  constexpr Align l = Align::left, r = Align::right;
  constexpr Place json_alone = {};
  using Task = const ScoredTask&;
  const auto csv = [](int place) { return Place{0, place}; };
  const auto csv_alone = [](int place) { return Place{0, place, false}; };
  const auto cost = [](int page, int place) { return Place{page, place, true, scores_and_costs}; };
  const auto count = [](int page, int place) { return Place{page, place, true, counts}; };
  static const std::vector<ComparisonColumn> columns = {
      // On a page it is marked where it is scored otherwise than the rest; below the table stands how.
      {"label", "method", l, Of::row, cost(10, 10),
       [](Task t) { return Cell(t.row.label + (t.row.otherwise.empty() ? "" : " *"), t.row.label); },
       "name of the row; always the first column"},
      {"method", "plugin", l, Of::row, csv(20), [](Task t) { return Cell(t.row.method); }, "name of the method"},
      {"task", "task", l, Of::row, csv(30), [](Task t) { return Cell(t.task); }, "name of the task"},
      {"backbone", "backbone", l, Of::row, csv(40), [](Task t) { return Cell(t.row.backbone); },
       "name of the frozen model"},
      {"metric", "metric", l, Of::score, csv(50), [](Task t) { return Cell(t.metric); }, "name of the score's metric"},
      {"split", "split", l, Of::score, csv(60), [](Task t) { return Cell(t.split); }, "split that is scored"},
      {"answers", "answers", r, Of::runs, cost(30, 200), [](Task t) { return text_cell(t.row.answers); },
       "evaluation mode: generated, ranked, classes of a head; by default only if rows differ", answers_differ},
      {"evaluation", "", l, Of::runs, json_alone, [](Task t) { return Cell("", t.row.evaluation); }, ""},
      {"evaluated_otherwise", "differences", l, Of::runs, csv(210), [](Task t) { return list_cell(t.row.otherwise); },
       "evaluation settings that differ from the rest of the table"},
      {"warnings", "", l, Of::runs, csv(220), [](Task t) { return Cell(warnings_of(t.row)); }, ""},
      {"examples", "examples", r, Of::score, csv(70), [](Task t) { return range_cell(t.examples); },
       "number of scored examples"},
      {"score", "score", r, Of::score, cost(20, 0),
       [](Task t) {
         return Cell(t.own ? score_with_interval(t.row) : score_text(t.score, t.interval), json_summary(t.score));
       },
       "mean ± standard deviation over seeds of the task's first metric, with its 95 % interval"},
      {"rank",
       "rank",
       r,
       Of::runs,
       {25, 0, false, scores_and_costs},
       rank_cell,
       "ranks that the tests allow; by default only if several rows were tested",
       any_ranks},
      {"score_low", "score, low", r, Of::score, csv(280),
       [](Task t) {
         const auto interval = interval_of(t);
         return number_cell(interval ? std::optional(interval->low) : std::nullopt, format_score);
       },
       "lower limit of the 95 % interval: of a single seed, and of the mean over seeds of a tested row"},
      {"score_high", "score, high", r, Of::score, csv(290),
       [](Task t) {
         const auto interval = interval_of(t);
         return number_cell(interval ? std::optional(interval->high) : std::nullopt, format_score);
       },
       "upper limit of the 95 % interval: of a single seed, and of the mean over seeds of a tested row"},
      {"tasks", "", l, Of::runs, json_alone, [](Task t) { return tasks_cell(t.row); }, ""},
      {"majority", "majority", r, Of::score, cost(50, 80), [](Task t) { return number_cell(t.majority, format_score); },
       "the best score of a constant answer"},
      {"illegal_rate", "illegal", r, Of::score, cost(60, 90),
       [](Task t) { return number_cell(t.illegal_rate, format_percent); },
       "share of answers that are no label word, or no number where one is expected"},
      {"trained", "trained", r, Of::runs, count(100, 100), [](Task t) { return range_cell(t.row.trained); },
       "elements given to the optimizer"},
      {"percent", "of all", r, Of::runs, count(110, 110),
       [](Task t) { return number_cell(t.row.percent, [](double p) { return format_percent(p / 100); }); },
       "trained elements, of all"},
      {"receiving_gradient", "with gradient", r, Of::runs, count(120, 120),
       [](Task t) { return range_cell(t.row.receiving_gradient); }, "trained elements with a non-zero gradient"},
      {"stored", "stored", r, Of::runs, count(130, 130), [](Task t) { return range_cell(t.row.stored); },
       "elements of the adapter file"},
      {"inference", "at inference", r, Of::runs, count(140, 140), [](Task t) { return range_cell(t.row.inference); },
       "stored elements that a prediction uses"},
      {"after_merge", "after merging", r, Of::runs, count(150, 150),
       [](Task t) { return range_cell(t.row.after_merge); }, "elements that remain after merging"},
      {"bytes_stored", "bytes stored", r, Of::runs, cost(90, 160),
       [](Task t) { return range_cell(t.row.bytes_stored); }, "bytes of the stored tensors"},
      {"prompt_tokens", "prompt ids", r, Of::runs, count(170, 170),
       [](Task t) { return range_cell(t.row.prompt_tokens); },
       "token ids of a text prompt, which are no parameters; by default only if there are any", have_text_prompts},
      {"step_seconds", "step", r, Of::runs, cost(70, 180),
       [](Task t) { return number_cell(t.row.step_seconds, format_duration); },
       "time of a training step, median over seeds"},
      {"peak_memory_bytes", "memory", r, Of::runs, cost(80, 190),
       [](Task t) {
         const auto& bytes = t.row.peak_memory_bytes;
         return bytes ? Cell(format_bytes(*bytes), *bytes) : Cell();
       },
       "peak resident memory, maximum over seeds"},
      {"metrics", "", r, Of::score, json_alone, [](Task t) { return Cell("", json_metrics(t.metrics)); }, ""},
      {"validation_score", "validation", r, Of::runs, cost(0, 300),
       [](Task t) { return summary_cell(t.row.validation); }, "score on the validation split at the chosen step"},
      {"chosen_by", "step chosen by", l, Of::runs, cost(0, 310), [](Task t) { return text_cell(t.row.chosen_by); },
       "what chose the scored step: a metric on validation, or that it is the last step"},
      {"steps", "steps", r, Of::runs, cost(0, 320), [](Task t) { return range_cell(t.row.steps); }, "optimizer steps"},
      {"training_seconds", "training", r, Of::runs, cost(0, 330),
       [](Task t) { return number_cell(t.row.training_seconds, format_duration); },
       "time of all training steps, median over seeds"},
      {"training_step_flops", "step FLOPs", r, Of::runs, cost(0, 340),
       [](Task t) { return quantity_cell(t.row.training_step_flops, "FLOP"); },
       "multiplications and additions of a training step of one batch"},
      {"prediction_flops", "prediction FLOPs", r, Of::runs, cost(0, 350),
       [](Task t) { return quantity_cell(t.row.prediction_flops, "FLOP"); },
       "multiplications and additions of a prediction of one example"},
      {"training_joules", "training energy", r, Of::runs, cost(0, 360),
       [](Task t) { return quantity_cell(t.row.training_joules, "J"); },
       "energy of the machine's processors while training, mean over seeds"},
      {"evaluation_joules", "evaluation energy", r, Of::runs, cost(0, 370),
       [](Task t) { return quantity_cell(t.row.evaluation_joules, "J"); },
       "energy of the machine's processors while evaluating, mean over seeds"},
      {"forgetting", "forgetting", r, Of::runs, cost(98, 380),
       [](Task t) { return number_cell(t.row.forgetting, [](double rise) { return fmt::format("{:+.3f}", rise); }); },
       "rise of the loss of text under the method, nats per token; by default only if it was measured", any_forgetting},
      {"agreement", "agreement", r, Of::runs, cost(98, 390),
       [](Task t) { return number_cell(t.row.agreement, format_percent); },
       "share of examples that two seeds answer alike, mean over pairs; only computed if chosen", any_agreement},
      {"searched", "searched", l, Of::runs, cost(99, 400), [](Task t) { return list_cell(t.row.searched); },
       "settings that a search chose; by default only if there are any", any_searched},
      {"runs", "", l, Of::runs, json_alone, [](Task t) { return runs_cell(t.row); }, ""},
      {"score_mean", "", r, Of::score, csv_alone(230), [](Task t) { return number_cell(t.score.mean, format_score); },
       ""},
      {"score_sd", "", r, Of::score, csv_alone(240),
       [](Task t) { return number_cell(t.score.deviation, format_score); }, ""},
      {"seeds",
       "seeds",
       r,
       Of::row,
       {40, 250, false, scores_and_costs},
       [](Task t) { return seeds_cell(t.row); },
       "number of seeds; 2 of 3 if one has not finished"},
      {"seeds_finished", "", r, Of::row, csv_alone(260), [](Task t) { return count_cell(finished(t.row)); }, ""},
      {"message", "", l, Of::row, csv_alone(270), [](Task t) { return first_message(t.row); }, ""},
      {"rank_low", "rank, low", r, Of::runs, cost(0, 410),
       [](Task t) { return standing_cell(t, [](const Standing& s) { return s.rank_low; }); },
       "1 + the rows of the table that are significantly better"},
      {"rank_high", "rank, high", r, Of::runs, cost(0, 420),
       [](Task t) { return standing_cell(t, [](const Standing& s) { return s.rank_high; }); },
       "the tested rows of the table that are not significantly worse"},
      {"tied_with_best", "tied with best", l, Of::runs, cost(0, 430),
       [](Task t) { return standing_cell(t, [](const Standing& s) { return s.tied_with_best; }); },
       "whether no test tells the row from the best of its table"},
      {"too_small", "n too small", l, Of::runs, cost(0, 440),
       [](Task t) { return standing_cell(t, [](const Standing& s) { return s.too_small; }); },
       "whether there are fewer than 5 seeds and under 100 examples, so that no test is made"},
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

using Columns = std::vector<ComparisonColumn>;

// The value of one metric, which is a column of its own where it is asked for, and in CSV.
ComparisonColumn metric_column(const std::string& name) {
  return {name,
          name,
          Align::right,
          Of::score,
          {0, 1000, false, scores_and_costs},
          [name](const ScoredTask& task) { return metric_cell(task, name); },
          ""};
}

// Of the rows, each once.
std::vector<std::string> metrics_of(const TableRows& rows) {
  std::vector<std::string> names;
  const auto add = [&](const std::vector<MetricScore>& metrics) {
    for (const MetricScore& metric : metrics)
      if (std::find(names.begin(), names.end(), metric.name) == names.end()) names.push_back(metric.name);
  };
  for (const ComparisonRow* row : rows) {
    add(row->metrics);
    for (const OtherScore& other : row->others) add(other.metrics);
  }
  return names;
}

Columns default_columns(const TableRows& rows, Form form) {
  Columns columns;
  for (const ComparisonColumn& column : comparison_columns())
    if (place_in(column, form) != 0 && (form != Form::page || !column.wanted || column.wanted(rows)))
      columns.push_back(column);
  std::stable_sort(columns.begin(), columns.end(),
                   [&](const auto& a, const auto& b) { return place_in(a, form) < place_in(b, form); });
  if (form == Form::csv)
    for (const std::string& name : metrics_of(rows)) columns.push_back(metric_column(name));
  return columns;
}

void add_column(Columns& columns, const std::string& key, const TableRows& rows) {
  if (key == all_metrics) {
    for (const std::string& name : metrics_of(rows)) add_column(columns, name, rows);
    return;
  }
  if (std::any_of(columns.begin(), columns.end(), [&](const auto& column) { return column.key == key; })) return;
  const auto& all = comparison_columns();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& column) { return column.key == key; });
  columns.push_back(found != all.end() ? *found : metric_column(key));
}

Columns columns_for(const TableRows& rows, Form form, const ColumnChoice& choice) {
  if (form != Form::page || choice.empty()) return default_columns(rows, form);
  Columns columns;
  if (choice.only.empty())
    columns = default_columns(rows, form);
  else
    add_column(columns, "label", rows);
  const std::size_t common = columns.size();
  for (const std::string& key : choice.only) add_column(columns, key, rows);
  for (const std::string& key : choice.more) add_column(columns, key, rows);
  constexpr std::size_t in_a_part = 7;
  const int first_part = choice.only.empty() ? counts + 1 : scores_and_costs;
  for (std::size_t c = common; c < columns.size(); ++c)
    columns[c].part = first_part + static_cast<int>((c - common) / in_a_part);
  return columns;
}

}  // namespace

ScoredTask own_task(const ComparisonRow& r) {
  return {r, true, r.task, r.metric, r.split, r.score, r.interval, r.examples, r.majority, r.illegal_rate, r.metrics};
}

ScoredTask other_task(const ComparisonRow& row, const OtherScore& o) {
  return {row,
          false,
          row.task + " → " + o.task,
          o.metric,
          o.split,
          o.score,
          o.interval,
          o.examples,
          o.majority,
          o.illegal_rate,
          o.metrics};
}

std::string range_text(const std::optional<Range>& range) {
  if (!range) return Cell::absent;
  return range->low == range->high ? with_thousands(range->low)
                                   : with_thousands(range->low) + "–" + with_thousands(range->high);
}

std::vector<ColumnMeaning> page_columns() {
  std::vector<ColumnMeaning> columns;
  for (const ComparisonColumn& column : comparison_columns())
    if (!column.title.empty())
      columns.push_back({column.key, column.title, column.meaning, column.place.page != 0 && !column.wanted});
  return columns;
}

Table comparison_table(const std::vector<const ComparisonRow*>& rows, Form form, const ColumnChoice& choice) {
  const Columns columns = columns_for(rows, form, choice);
  Table table;
  for (const ComparisonColumn& column : columns)
    table.columns.emplace_back(column.title, column.align, column.key, column.part.value_or(column.place.part));
  const auto add = [&](const ScoredTask& task) {
    std::vector<Cell> cells;
    for (const ComparisonColumn& column : columns)
      cells.push_back(task.own || column.of != Of::runs ? column.cell(task) : Cell());
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
