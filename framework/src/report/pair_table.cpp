#include "report/pair_table.h"

#include "report/format.h"
#include "report/test_notes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace peftbench::report {
namespace {

Cell number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Cell(fmt::format("{}", *value), *value) : Cell();
}

std::string difference_text(const PairTest& pair) {
  const std::string text = fmt::format("{:+.3f}", pair.difference);
  if (!pair.interval) return text;
  return fmt::format("{} [{:+.3f}, {:+.3f}]", text, pair.interval->low, pair.interval->high);
}

}  // namespace

std::string p_text(const std::optional<double>& p) {
  return !p ? Cell::absent : *p < 0.0001 ? "< 0.0001" : fmt::format("{:.4f}", *p);
}

std::vector<Table> pair_tables(const std::vector<ComparisonRow>& rows, const TableTests& tests) {
  std::vector<Table> tables;
  std::vector<std::vector<const ComparisonRow*>> sections;
  for (const ComparisonRow& row : rows) {
    const auto known = std::find_if(sections.begin(), sections.end(), [&](const auto& section) {
      return section.front()->task == row.task && section.front()->backbone == row.backbone;
    });
    if (known == sections.end())
      sections.push_back({&row});
    else
      known->push_back(&row);
  }
  for (const std::vector<const ComparisonRow*>& section : sections) {
    const ComparisonRow& first = *section.front();
    Table table({"A", "B"});
    // On a page that is too narrow the differences come first.
    for (const char* title : {"A − B", "p", "p, Holm"}) table.columns.push_back(right_column(title));
    table.columns.emplace_back("seeds", Align::right, "seeds", 1);
    table.columns.emplace_back("examples", Align::right, "examples", 1);
    table.columns.emplace_back("test", Align::left, "test", 1);
    for (const PairTest& pair : tests.pairs) {
      const ComparisonRow &a = rows.at(pair.a), &b = rows.at(pair.b);
      if (a.task != first.task || a.backbone != first.backbone) continue;
      table.add({a.label, b.label, difference_text(pair), p_text(pair.p), p_text(pair.adjusted_p),
                 count_cell(pair.seeds), count_cell(pair.examples), pair.test});
    }
    table.notes = test_notes(rows, section, tests);
    // Of marks and ranks nothing is shown here.
    for (Note& note : table.notes)
      std::erase_if(note.lines,
                    [](const std::string& line) { return line.starts_with(tied_mark) || line.starts_with("rank:"); });
    std::erase_if(table.notes, [&](const Note& note) {
      return note.lines.empty() || (table.rows.empty() && note.title != untested_title);
    });
    if (table.rows.empty() && table.notes.empty()) continue;
    if (table.rows.empty()) table.columns.clear();
    table.title = "pairs of rows: " + first.task + " on " + first.backbone;
    if (!first.metric.empty()) table.title += ", " + first.metric + " on " + first.split;
    tables.push_back(std::move(table));
  }
  if (!tests.notes.empty()) {
    Table notes;
    notes.title = "tables without tests";
    notes.notes = {{"", tests.notes}};
    tables.push_back(std::move(notes));
  }
  return tables;
}

Table pair_data_table(const std::vector<ComparisonRow>& rows, const TableTests& tests) {
  Table table({"task", "backbone", "metric", "split", "a", "b"});
  for (const char* title :
       {"score_a", "score_b", "difference", "difference_low", "difference_high", "p", "p_holm", "seeds", "examples"})
    table.columns.push_back(right_column(title));
  table.columns.emplace_back("test");
  for (const PairTest& pair : tests.pairs) {
    const ComparisonRow &a = rows.at(pair.a), &b = rows.at(pair.b);
    const auto limit = [&](double Interval::*end) {
      return pair.interval ? std::optional((*pair.interval).*end) : std::nullopt;
    };
    table.add({a.task, a.backbone, a.metric, a.split, a.label, b.label, number(a.score.mean), number(b.score.mean),
               number(pair.difference), number(limit(&Interval::low)), number(limit(&Interval::high)), number(pair.p),
               number(pair.adjusted_p), count_cell(pair.seeds), count_cell(pair.examples), pair.test});
  }
  return table;
}

}  // namespace peftbench::report
