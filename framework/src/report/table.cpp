#include "report/table.h"

#include "core/terminal_text.h"
#include "report/format.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench {

TextTable::TextTable(const std::vector<std::string>& headers) {
  for (const std::string& header : headers) {
    const bool right = header.starts_with('>');
    headers_.push_back(in_one_line(right ? header.substr(1) : header));
    right_.push_back(right);
  }
}

void TextTable::add(std::vector<std::string> row) {
  if (row.size() != headers_.size()) throw Error("a table row and its header have different numbers of cells");
  for (std::string& cell : row) cell = in_one_line(cell);  // a name cannot end its row
  rows_.push_back(std::move(row));
}

std::string TextTable::text(std::size_t width) const {
  std::vector<std::size_t> widths;
  std::size_t before_last = 0;
  for (std::size_t c = 0; c < headers_.size(); ++c) {
    std::size_t widest = display_width(headers_[c]);
    for (const auto& row : rows_) widest = std::max(widest, display_width(row[c]));
    widths.push_back(widest);
    if (c + 1 < headers_.size()) before_last += widest + 2;
  }
  std::string result;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const bool last = c + 1 == cells.size();
      std::string cell = cells[c];
      // Not worth wrapping into fewer than 20 columns.
      if (last && !right_[c] && width >= before_last + 20) cell = wrap(cell, width, before_last);
      const std::string space(widths[c] - std::min(widths[c], display_width(cell)), ' ');
      text += right_[c] ? space + cell : last ? cell : cell + space;
      if (!last) text += "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    result += text + '\n';
  };
  line(headers_);
  for (const auto& row : rows_) line(row);
  return result;
}

std::string TextSheet::text(std::size_t width) const {
  std::size_t widest = 0;
  for (const auto& [label, text] : lines_) widest = std::max(widest, display_width(label));
  std::string result;
  for (const auto& [label, text] : lines_) {
    const std::size_t indent = widest + 4;
    const std::string space(widest - display_width(label) + 2, ' ');
    result += "  " + label + space + (width >= indent + 20 ? wrap(text, width, indent) : text) + '\n';
  }
  return result;
}

}  // namespace peftbench
