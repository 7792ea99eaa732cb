#include "report/comparison_report.h"

#include "core/names.h"
#include "report/best.h"
#include "report/by_task.h"
#include "report/comparison_columns.h"
#include "report/published_rows.h"
#include "report/render.h"
#include "report/row_text.h"
#include "report/score_grid.h"
#include "report/search_report.h"
#include "report/test_notes.h"

#include <fmt/format.h>

#include <algorithm>

namespace peftbench::report {
namespace {

// Rows of one task and backbone.
struct Section {
  std::vector<const ComparisonRow*> rows;

  const ComparisonRow& first() const { return *rows.front(); }
  bool unreadable() const { return !first().runs.empty() && first().runs.front().status == "unreadable"; }

  // What was scored, if all rows agree in it.
  std::string title() const {
    if (unreadable()) return "unreadable records (the command of the run continues from its checkpoint)";
    std::string text = first().task + " on " + first().backbone, scored;
    for (const ComparisonRow* row : rows) {
      if (row->score.n == 0) continue;
      const std::string here = fmt::format("{} on {} {} examples", row->metric, range_text(row->examples), row->split);
      if (!scored.empty() && scored != here) return text;
      scored = here;
    }
    return scored.empty() ? text : text + ": " + scored;
  }
};

std::vector<Section> sections(const std::vector<ComparisonRow>& rows) {
  std::vector<Section> result;
  for (const ComparisonRow& row : rows) {
    auto section = std::find_if(result.begin(), result.end(), [&](const Section& s) {
      return s.first().task == row.task && s.first().backbone == row.backbone;
    });
    if (section == result.end()) section = result.insert(result.end(), Section());
    section->rows.push_back(&row);
  }
  return result;
}

// Runs without a score, a line each.
std::vector<std::string> unfinished(const Section& section) {
  std::vector<std::string> lines;
  for (const ComparisonRow* row : section.rows)
    for (const SeedRun& run : row->runs)
      if (run.status == "unreadable")
        lines.push_back(row->label + ": " + first_lines(run.message));
      else if (run.status != "finished")
        lines.push_back(fmt::format("{}, seed {}: {}{}", row->label, run.seed, run.status,
                                    run.message.empty() ? "" : ": " + first_lines(run.message)));
  return lines;
}

// What the star means, a line for each row that has one.
std::vector<std::string> otherwise(const Section& section) {
  std::vector<std::string> lines;
  for (const ComparisonRow* row : section.rows)
    if (!row->otherwise.empty()) lines.push_back(row->label + ": " + join(row->otherwise));
  return lines;
}

std::vector<std::string> warnings(const Section& section) {
  std::vector<RowNote> notes;
  for (const ComparisonRow* row : section.rows)
    for (const std::string& warning : row->warnings) notes.push_back({row->label, warning});
  return joined_notes(notes, section.rows.size());
}

void mark_best_scores(Table& table, const Section& section) {
  ColumnScores scores;
  std::vector<const Standing*> standings;
  for (const ComparisonRow* row : section.rows) {
    scores.push_back(column_score(*row));
    standings.push_back(standing_in_table(*row));
  }
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    if (table.columns[c].key == "score") {
      mark_best(table, c, scores);
      mark_tied(table, c, standings);
    }
}

void add_published_scores(Table& table, const Section& section, const std::vector<PublishedScore>& published) {
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    if (table.columns[c].key == "score") {
      const auto scored = std::find_if(section.rows.begin(), section.rows.end(),
                                       [](const ComparisonRow* row) { return !row->metric.empty(); });
      const std::string metric = scored == section.rows.end() ? "" : (*scored)->metric;
      return add_published(table, {{section.first().task, metric, c}}, std::nullopt, published);
    }
}

// Of which text the column `forgetting` tells.
std::vector<std::string> forgetting_texts(const Section& section) {
  std::vector<std::string> texts;
  for (const ComparisonRow* row : section.rows)
    for (const std::string& text : row->forgetting_on)
      if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
  return texts;
}

Table table_of(const Section& section, const std::vector<ComparisonRow>& all, const PageOptions& options) {
  Table table;
  const auto add = [&](const char* title, std::vector<std::string> lines) {
    if (!lines.empty()) table.notes.push_back({title, std::move(lines)});
  };
  if (section.unreadable()) {
    add("", unfinished(section));
  } else {
    table = comparison_table(section.rows, Form::page, options.columns);
    mark_best_scores(table, section);
    add("* evaluated differently from the rest of the table", otherwise(section));
    add("warnings", warnings(section));
    const bool tells = std::any_of(table.columns.begin(), table.columns.end(),
                                   [](const Column& column) { return column.key == "forgetting"; });
    if (tells) add("forgetting: rise of the loss, in nats per token, of", forgetting_texts(section));
    for (Note& note : test_notes(all, section.rows, options.tests)) table.notes.push_back(std::move(note));
    add("without a score", unfinished(section));
    add_published_scores(table, section, options.published);
  }
  table.title = section.title();
  return table;
}

template <class Render>
std::string page(const std::vector<ComparisonRow>& rows, bool by_task, const PageOptions& options, Render&& render) {
  std::string text;
  for (const Table& table : comparison_tables(rows, by_task, options))
    text += (text.empty() ? "" : "\n") + render(table);
  return text;
}

std::vector<const ComparisonRow*> addresses(const std::vector<ComparisonRow>& rows) {
  std::vector<const ComparisonRow*> result;
  for (const ComparisonRow& row : rows) result.push_back(&row);
  return result;
}

}  // namespace

std::vector<Table> comparison_tables(const std::vector<ComparisonRow>& rows, bool by_task, const PageOptions& options) {
  std::vector<Table> tables;
  for (const Section& section : sections(rows)) tables.push_back(table_of(section, rows, options));
  for (Table& search : search_tables(rows)) tables.push_back(std::move(search));
  for (Table& grid : score_grids(rows)) tables.push_back(std::move(grid));
  if (by_task)
    for (Table& grid : tables_by_task(rows, options.published)) tables.push_back(std::move(grid));
  if (!options.tests.notes.empty()) {
    Table notes;
    notes.title = "tables without tests";
    notes.notes = {{"", options.tests.notes}};
    tables.push_back(std::move(notes));
  }
  return tables;
}

std::string comparison_text(const std::vector<ComparisonRow>& rows, std::size_t width, bool by_task,
                            const PageOptions& options) {
  return page(rows, by_task, options, [&](const Table& table) { return render_text(table, width); });
}

std::string comparison_markdown(const std::vector<ComparisonRow>& rows, bool by_task, const PageOptions& options) {
  return page(rows, by_task, options, render_markdown);
}

std::string comparison_latex(const std::vector<ComparisonRow>& rows, const PageOptions& options) {
  return render_latex(comparison_tables(rows, true, options));
}

std::string comparison_html(const std::vector<ComparisonRow>& rows, const PageOptions& options) {
  return render_html(comparison_tables(rows, true, options), "peft-bench report");
}

std::string comparison_csv(const std::vector<ComparisonRow>& rows) {
  return render_csv(comparison_table(addresses(rows), Form::csv));
}

Json comparison_json(const std::vector<ComparisonRow>& rows) {
  Json json = render_json(comparison_table(addresses(rows), Form::json));
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows[i].search) json[i]["search"] = search_json(*rows[i].search);
  return json;
}

}  // namespace peftbench::report
