#include "core/terminal_text.h"
#include "report/format.h"
#include "report/render.h"
#include "report/table_parts.h"

#include <algorithm>

namespace peftbench::report {
namespace {

std::string text_lines(const Table& table, const ColumnPlaces& places, std::size_t width) {
  std::vector<std::vector<std::string>> lines(1);
  std::vector<std::string> room;  // for the mark of tied cells
  for (const std::size_t c : places) {
    room.emplace_back(has_tied(table, c) ? "  " : "");
    lines[0].push_back(in_one_line(table.columns[c].title) + room.back());
  }
  for (const std::vector<Cell>& row : table.rows) {
    lines.emplace_back();
    for (std::size_t p = 0; p < places.size(); ++p) {
      const Cell& cell = row[places[p]];
      const std::string mark = cell.tied ? std::string(" ") + tied_mark : room[p];
      lines.back().push_back(in_one_line(cell.shown) + mark);  // a name cannot end its row
    }
  }
  std::vector<std::size_t> widths(places.size(), 0);
  for (const auto& line : lines)
    for (std::size_t c = 0; c < places.size(); ++c) widths[c] = std::max(widths[c], display_width(line[c]));
  std::size_t before_last = 0;
  for (std::size_t c = 0; c + 1 < places.size(); ++c) before_last += widths[c] + 2;
  std::size_t whole = before_last + widths.back();
  if (width > 0) whole = std::min(whole, width);
  std::string rule, result;
  for (std::size_t c = 0; c < whole; ++c) rule += "─";
  for (std::size_t l = 0; l < lines.size(); ++l) {
    const std::vector<std::string>& line = lines[l];
    if (l > 0 && !is_shown(table, l - 1, places)) continue;
    if (l > 0 && table.has_rule(l - 1)) result += rule + '\n';
    std::string text;
    for (std::size_t c = 0; c < places.size(); ++c) {
      const bool last = c + 1 == places.size(), right = table.columns[places[c]].align == Align::right;
      std::string cell = line[c];
      // Not worth wrapping into fewer than 20 columns.
      if (last && !right && width >= before_last + 20) cell = wrap(cell, width, before_last);
      const std::string space(widths[c] - std::min(widths[c], display_width(cell)), ' ');
      text += right ? space + cell : last ? cell : cell + space;
      if (!last) text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    result += text + '\n';
  }
  return result;
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

std::string text_table(const Table& table, std::size_t width) {
  if (table.columns.empty()) return {};
  const std::string whole = text_lines(table, columns_of(table, nullptr), width);
  const std::vector<int> parts = column_parts(table);
  if (width == 0 || parts.size() < 2 || widest_line(whole) <= width) return whole;
  std::string text;
  for (const int part : parts) text += (text.empty() ? "" : "\n") + text_lines(table, columns_of(table, &part), width);
  return text;
}

}  // namespace

std::string render_text(const Table& table, std::size_t width) {
  std::string text = table.title.empty() ? "" : in_one_line(table.title) + "\n\n";
  text += text_table(table, width);
  for (const Note& note : table.notes) {
    if (!note.title.empty()) text += "\n" + in_one_line(note.title) + ":\n";
    for (const std::string& line : note.lines)
      text += "  " + (width > 24 && !note.title.empty() ? wrap(in_one_line(line), width, 4) : in_one_line(line)) + "\n";
  }
  return text;
}

}  // namespace peftbench::report
