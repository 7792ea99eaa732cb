#include "report/text_sheet.h"

#include "report/format.h"

#include <algorithm>

namespace peftbench::report {

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

}  // namespace peftbench::report
