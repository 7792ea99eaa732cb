#include "report/escape.h"
#include "report/format.h"
#include "report/render.h"
#include "report/table_parts.h"

namespace peftbench::report {
namespace {

constexpr const char* html_style = R"css(
:root { color-scheme: light dark; --text: #1b1b1b; --page: #ffffff; --line: #c8c8c8; --soft: #595959; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e6e6; --page: #161616; --line: #4a4a4a; --soft: #a8a8a8; }
}
body { margin: 1.5rem auto; max-width: 80rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif;
       color: var(--text); background: var(--page); }
h1 { font-size: 1.4rem; }
h2, caption { font-size: 1rem; font-weight: 600; text-align: left; padding: 0.5rem 0; }
section { margin: 2rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-bottom: 2px solid var(--text); font-variant-numeric: tabular-nums; }
thead { border-top: 2px solid var(--text); border-bottom: 1px solid var(--text); }
th, td { padding: 0.25rem 0.75rem 0.25rem 0; text-align: left; font-weight: 400; vertical-align: baseline; }
thead th { color: var(--soft); }
tbody tr + tr { border-top: 1px solid var(--line); }
tbody + tbody { border-top: 2px solid var(--text); }
.number { padding: 0.25rem 0 0.25rem 0.75rem; text-align: right; white-space: nowrap; }
.notes { font-size: 0.875rem; overflow-wrap: anywhere; }
.notes p { margin: 0.75rem 0 0; color: var(--soft); }
.notes ul { margin: 0.25rem 0 0; padding-left: 1.25rem; }
)css";

std::string html_cell(const Cell& cell, Align align, bool first) {
  const std::string shown = for_html(cell.shown);
  const std::string tag = first ? "th" : "td", side = align == Align::right ? " class=\"number\"" : "";
  return "<" + tag + (first ? " scope=\"row\"" : "") + side + ">" +
         (cell.best ? "<strong>" + shown + "</strong>" : shown) + (cell.tied ? "<sup>†</sup>" : "") + "</" + tag + ">";
}

std::string html_table(const Table& table) {
  // Who uses the keyboard scrolls what has the focus.
  std::string text = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
                     for_html(table.title.empty() ? "table" : table.title) + "\">\n<table>\n";
  if (!table.title.empty()) text += "<caption>" + for_html(table.title) + "</caption>\n";
  text += "<thead>\n<tr>";
  for (const Column& column : table.columns)
    text += std::string("<th scope=\"col\"") + (column.align == Align::right ? " class=\"number\"" : "") + ">" +
            for_html(column.title) + "</th>";
  text += "</tr>\n</thead>\n<tbody>\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    const std::vector<Cell>& row = table.rows[r];
    if (table.has_rule(r)) text += "</tbody>\n<tbody>\n";
    text += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) text += html_cell(row[c], table.columns[c].align, c == 0);
    text += "</tr>\n";
  }
  return text + "</tbody>\n</table>\n</div>\n";
}

std::string html_notes(const Table& table) {
  if (table.notes.empty()) return {};
  std::string text = "<div class=\"notes\">\n";
  for (const Note& note : table.notes) {
    if (!note.title.empty()) text += "<p>" + for_html(with_capital(note.title)) + ":</p>\n";
    text += "<ul>\n";
    for (const std::string& line : note.lines) text += "<li>" + for_html(with_mark(line, "†")) + "</li>\n";
    text += "</ul>\n";
  }
  return text + "</div>\n";
}

}  // namespace

std::string render_html(const std::vector<Table>& tables, const std::string& title) {
  const std::string name = for_html(title);
  std::string text =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      name + "</title>\n<style>" + html_style + "</style>\n</head>\n<body>\n<h1>" + name + "</h1>\n";
  for (const Table& table : tables) {
    text += "<section>\n";
    if (!table.columns.empty())
      text += html_table(table);
    else if (!table.title.empty())
      text += "<h2>" + for_html(table.title) + "</h2>\n";
    text += html_notes(table) + "</section>\n";
  }
  return text + "</body>\n</html>\n";
}

}  // namespace peftbench::report
