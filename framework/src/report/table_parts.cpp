#include "report/table_parts.h"

#include "core/terminal_text.h"
#include "report/format.h"

#include <algorithm>

namespace peftbench::report {

std::vector<int> column_parts(const Table& table) {
  std::vector<int> parts;
  for (std::size_t c = 1; c < table.columns.size(); ++c)
    if (std::find(parts.begin(), parts.end(), table.columns[c].part) == parts.end())
      parts.push_back(table.columns[c].part);
  return parts;
}

ColumnPlaces columns_of(const Table& table, const int* part) {
  ColumnPlaces places;
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    if (c == 0 || !part || table.columns[c].part == *part) places.push_back(c);
  return places;
}

bool has_tied(const Table& table, std::size_t column) {
  return std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) { return row[column].tied; });
}

std::string with_mark(const std::string& line, const std::string& mark) {
  const std::string own = tied_mark;
  return line.starts_with(own) ? mark + line.substr(own.size()) : line;
}

bool is_shown(const Table& table, std::size_t row, const ColumnPlaces& places) {
  if (table.rules.empty() || row < table.rules.front()) return true;
  return std::any_of(places.begin(), places.end(),
                     [&](std::size_t c) { return c != 0 && table.rows[row][c].shown != Cell::absent; });
}

std::size_t natural_width(const Table& table, const ColumnPlaces& places) {
  std::size_t width = 0;
  for (const std::size_t c : places) {
    std::size_t widest = display_width(in_one_line(table.columns[c].title));
    for (const std::vector<Cell>& row : table.rows) widest = std::max(widest, display_width(in_one_line(row[c].shown)));
    width += widest + (has_tied(table, c) ? 2 : 0) + (width > 0 ? 2 : 0);
  }
  return width;
}

}  // namespace peftbench::report
