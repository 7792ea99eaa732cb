#include "report/comparison_report.h"

#include "core/names.h"
#include "core/terminal_text.h"
#include "report/escape.h"
#include "report/format.h"
#include "report/row_text.h"
#include "report/score_grid.h"
#include "report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

namespace peftbench {
namespace {

const std::string none = "–";

std::string number(const std::optional<Range>& range) {
  if (!range) return none;
  return range->low == range->high ? with_thousands(range->low)
                                   : with_thousands(range->low) + "–" + with_thousands(range->high);
}

std::string seeds(const ComparisonRow& row) {
  const auto all = static_cast<std::int64_t>(row.runs.size());
  const std::int64_t good = finished(row);
  return good == all ? std::to_string(all) : fmt::format("{} of {}", good, all);
}

struct Column {
  const char* header;  // '>': numbers
  std::function<std::string(const ComparisonRow&)> cell;
};

const std::vector<Column>& costs() {
  static const std::vector<Column> columns = {
      {">score", [](const auto& r) { return score_text(r); }},
      {">seeds", seeds},
      {">majority", [](const auto& r) { return r.majority ? format_score(*r.majority) : none; }},
      {">illegal", [](const auto& r) { return r.illegal_rate ? format_percent(*r.illegal_rate) : none; }},
      {">step", [](const auto& r) { return r.step_seconds ? format_duration(*r.step_seconds) : none; }},
      {">memory", [](const auto& r) { return r.peak_memory_bytes ? format_bytes(*r.peak_memory_bytes) : none; }},
      {">bytes stored", [](const auto& r) { return number(r.bytes_stored); }},
  };
  return columns;
}

const std::vector<Column>& counts() {
  static const std::vector<Column> columns = {
      {">trained", [](const auto& r) { return number(r.trained); }},
      {">of all", [](const auto& r) { return r.percent ? format_percent(*r.percent / 100) : none; }},
      {">with gradient", [](const auto& r) { return number(r.receiving_gradient); }},
      {">stored", [](const auto& r) { return number(r.stored); }},
      {">at inference", [](const auto& r) { return number(r.inference); }},
      {">after merging", [](const auto& r) { return number(r.after_merge); }},
  };
  return columns;
}

using Rows = std::vector<const ComparisonRow*>;

// The scores; how the answers came about only where that is not the same in all rows.
std::vector<Column> scores_and_costs(const Rows& rows) {
  std::vector<Column> columns = costs();
  std::set<std::string> answers;
  for (const ComparisonRow* row : rows)
    if (!row->answers.empty()) answers.insert(row->answers);
  if (answers.size() > 1)
    columns.insert(columns.begin() + 1,
                   {">answers", [](const auto& r) { return r.answers.empty() ? none : r.answers; }});
  return columns;
}

// The counts; beside them the ids of text prompts, where one of the rows has any.
std::vector<Column> counts_for(const Rows& rows) {
  std::vector<Column> columns = counts();
  if (std::any_of(rows.begin(), rows.end(),
                  [](const auto* r) { return r->prompt_tokens && r->prompt_tokens->high > 0; }))
    columns.push_back({">prompt ids", [](const auto& r) { return number(r.prompt_tokens); }});
  return columns;
}

std::vector<Column> columns_for(const Rows& rows) {
  std::vector<Column> columns = scores_and_costs(rows);
  for (Column& column : counts_for(rows)) columns.push_back(std::move(column));
  return columns;
}

std::string table(const Rows& rows, const std::vector<Column>& columns) {
  std::vector<std::string> headers = {"method"};
  for (const Column& column : columns) headers.emplace_back(column.header);
  TextTable text(headers);
  for (const ComparisonRow* row : rows) {
    // Marked where it is scored otherwise than the rest; below the table stands how.
    std::vector<std::string> cells = {row->label + (row->otherwise.empty() ? "" : " *")};
    for (const Column& column : columns) cells.push_back(column.cell(*row));
    text.add(std::move(cells));
  }
  return text.text();
}

std::string markdown_table(const Rows& rows) {
  const std::vector<Column> columns = columns_for(rows);
  std::string text = "| method |", rule = "\n|---|";
  for (const Column& column : columns) {
    text += std::string(" ") + (column.header + 1) + " |";
    rule += "---:|";
  }
  text += rule + "\n";
  for (const ComparisonRow* row : rows) {
    text += "| " + for_markdown(row->label) + (row->otherwise.empty() ? "" : " \\*") + " |";
    for (const Column& column : columns) text += " " + for_markdown(column.cell(*row)) + " |";
    text += "\n";
  }
  return text;
}

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    widest = std::max(widest, display_width(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return widest;
}

// Rows of one task and backbone.
struct Section {
  std::string task, backbone;
  Rows rows;
  bool unreadable() const {
    const std::vector<SeedRun>& runs = rows.front()->runs;
    return !runs.empty() && runs.front().status == "unreadable";
  }

  // What was scored, if all rows agree in it.
  std::string title() const {
    if (unreadable()) return "unreadable records (the command of the run continues from its checkpoint)";
    std::string text = task + " on " + backbone, scored;
    for (const ComparisonRow* row : rows) {
      if (row->score.n == 0) continue;
      const std::string here = fmt::format("{} on {} {} examples", row->metric, number(row->examples), row->split);
      if (!scored.empty() && scored != here) return text;
      scored = here;
    }
    return scored.empty() ? text : text + ": " + scored;
  }
};

std::vector<Section> sections(const std::vector<ComparisonRow>& rows) {
  std::vector<Section> result;
  for (const ComparisonRow& row : rows) {
    auto section = std::find_if(result.begin(), result.end(),
                                [&](const Section& s) { return s.task == row.task && s.backbone == row.backbone; });
    if (section == result.end()) section = result.insert(result.end(), {row.task, row.backbone, {}});
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
  std::vector<std::string> lines;
  for (const ComparisonRow* row : section.rows)
    for (const std::string& warning : row->warnings) lines.push_back(row->label + ": " + warning);
  return lines;
}

}  // namespace

std::string comparison_text(const std::vector<ComparisonRow>& rows, std::size_t width) {
  std::string text;
  for (const Section& section : sections(rows)) {
    text += (text.empty() ? "" : "\n") + in_one_line(section.title()) + "\n\n";
    const std::string whole = table(section.rows, columns_for(section.rows));
    if (section.unreadable())
      for (const std::string& line : unfinished(section)) text += "  " + in_one_line(line) + "\n";
    else if (width == 0 || widest_line(whole) <= width)
      text += whole;
    else
      text +=
          table(section.rows, scores_and_costs(section.rows)) + "\n" + table(section.rows, counts_for(section.rows));
    const auto list = [&](const std::string& title, const std::vector<std::string>& lines) {
      if (!lines.empty()) text += "\n" + title + ":\n";
      for (const std::string& line : lines)
        text += "  " + (width > 24 ? wrap(in_one_line(line), width, 4) : in_one_line(line)) + "\n";
    };
    if (section.unreadable()) continue;
    list("* evaluated differently from the rest of the table", otherwise(section));
    list("warnings", warnings(section));
    list("without a score", unfinished(section));
  }
  for (const ScoreGrid& grid : score_grids(rows)) {
    TextTable lines(grid.headers);
    for (const auto& line : grid.lines) lines.add(line);
    text += "\n" + in_one_line(grid.title) + "\n\n" + lines.text();
  }
  return text;
}

std::string comparison_markdown(const std::vector<ComparisonRow>& rows) {
  std::string text;
  for (const Section& section : sections(rows)) {
    text += (text.empty() ? "**" : "\n**") + for_markdown(section.title()) + "**\n\n";
    if (section.unreadable()) {
      for (const std::string& line : unfinished(section)) text += "- " + for_markdown(line) + "\n";
      continue;
    }
    text += markdown_table(section.rows);
    const auto list = [&](const std::string& title, const std::vector<std::string>& lines) {
      if (!lines.empty()) text += "\n" + title + ":\n\n";
      for (const std::string& line : lines) text += "- " + for_markdown(line) + "\n";
    };
    list("\\* Evaluated differently from the rest of the table", otherwise(section));
    list("Warnings", warnings(section));
    list("Without a score", unfinished(section));
  }
  for (const ScoreGrid& grid : score_grids(rows)) {
    text += "\n**" + for_markdown(grid.title) + "**\n\n|";
    std::string rule = "|";
    for (const std::string& header : grid.headers) {
      text += " " + for_markdown(header.starts_with('>') ? header.substr(1) : header) + " |";
      rule += header.starts_with('>') ? "---:|" : "---|";
    }
    text += "\n" + rule + "\n";
    for (const auto& line : grid.lines) {
      text += "|";
      for (const std::string& cell : line) text += " " + for_markdown(cell) + " |";
      text += "\n";
    }
  }
  return text;
}

}  // namespace peftbench
