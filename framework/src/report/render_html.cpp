#include "report/escape.h"
#include "report/format.h"
#include "report/html_parts.h"
#include "report/page/assets.h"
#include "report/render.h"
#include "report/table_parts.h"

namespace peftbench::report {
namespace {

// Most cells are numbers, and set to the right: those that are not have a class. A page may have ten thousand of them,
// so they are written without what HTML lets out: </td>.
std::string html_cell(const Cell& cell, Align align, bool first) {
  const std::string shown = for_html(cell.shown),
                    text = (cell.best ? "<strong>" + shown + "</strong>" : shown) + (cell.tied ? "<sup>†</sup>" : "");
  if (first) return "<th scope=\"row\">" + text + "</th>";
  return (align == Align::left ? "<td class=\"text\">" : "<td>") + text;
}

}  // namespace

std::string html_table(const Table& table, const std::string& attributes) {
  // Who uses the keyboard scrolls what has the focus.
  std::string text = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
                     for_html(table.title.empty() ? "table" : table.title) + "\"" +
                     (attributes.empty() ? "" : " " + attributes) + ">\n<table>\n";
  if (!table.title.empty()) text += "<caption>" + for_html(table.title) + "</caption>\n";
  text += "<thead>\n<tr>";
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    text += std::string("<th scope=\"col\"") +
            (c == 0 || table.columns[c].align == Align::left ? " class=\"text\"" : "") + ">" +
            for_html(table.columns[c].title) + "</th>";
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

std::string html_section(const Table& table, const std::string& attributes) {
  std::string text = "<section>\n";
  if (!table.columns.empty())
    text += html_table(table, attributes);
  else if (!table.title.empty())
    text += "<h2>" + for_html(table.title) + "</h2>\n";
  return text + html_notes(table) + "</section>\n";
}

std::string render_html(const std::vector<Table>& tables, const std::string& title) {
  const std::string name = for_html(title);
  std::string text =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      name + "</title>\n<style>" + std::string(page_style) + "</style>\n</head>\n<body>\n<h1>" + name + "</h1>\n";
  for (const Table& table : tables) text += html_section(table);
  return text + "</body>\n</html>\n";
}

}  // namespace peftbench::report
