#include "report/escape.h"
#include "report/format.h"
#include "report/render.h"

namespace peftbench::report {
namespace {

std::string markdown_lines(const Table& table) {
  std::string text = "|", rule = "|";
  for (const Column& column : table.columns) {
    text += " " + for_markdown(column.title) + " |";
    rule += column.align == Align::right ? "---:|" : "---|";
  }
  text += "\n" + rule + "\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    // Markdown has no rules: an empty row stands for one.
    if (table.has_rule(r)) {
      text += "|";
      for (std::size_t c = 0; c < table.columns.size(); ++c) text += " |";
      text += "\n";
    }
    text += "|";
    for (const Cell& cell : table.rows[r])
      text += " " + for_markdown(cell.shown) + (cell.tied ? std::string(" ") + tied_mark : "") + " |";
    text += "\n";
  }
  return text;
}

}  // namespace

std::string render_markdown(const Table& table) {
  std::string text = table.title.empty() ? "" : "**" + for_markdown(table.title) + "**\n\n";
  if (!table.columns.empty()) text += markdown_lines(table);
  for (const Note& note : table.notes) {
    if (!note.title.empty()) text += "\n" + for_markdown(with_capital(note.title)) + ":\n\n";
    for (const std::string& line : note.lines) text += "- " + for_markdown(line) + "\n";
  }
  return text;
}

}  // namespace peftbench::report
