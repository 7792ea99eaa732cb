#include "report/figures/svg_parts.h"
#include "report/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace peftbench::report {
namespace {

constexpr std::size_t levels = 7, with_values = 14;  // rows up to which the cells hold their values

// Of the largest difference: 0 is the most negative level, 3 about none.
std::size_t level_of(double value, double largest) {
  if (!(largest > 0)) return levels / 2;
  const double share = std::clamp(value / largest, -1.0, 1.0);
  return static_cast<std::size_t>(std::lround((share + 1) / 2 * (levels - 1)));
}

}  // namespace

std::string svg(const MatrixPlot& plot, SvgUse use) {
  const std::size_t n = plot.rows.size();
  double widest = 0, largest = 0;
  std::vector<std::string> names;
  for (std::size_t r = 0; r < n; ++r) {
    names.push_back(fmt::format("{}  {}", r + 1, cut_to_width(plot.rows[r], 34)));
    widest = std::max(widest, text_width(names.back()));
  }
  for (const MatrixPlot::Square& square : plot.squares)
    if (std::isfinite(square.value)) largest = std::max(largest, std::abs(square.value));
  const bool values = n <= with_values;
  const double size = values ? 46 : std::max(8.0, std::min(24.0, 560 / static_cast<double>(n))),
               height = values ? 28 : size;
  const double left = widest + 20, top = 56;
  std::string text = svg_text(8, 18, cut_to_width(plot.title, 84), "start", "class=\"title\"");
  const std::size_t every = size < 14 ? 5 : 1;
  for (std::size_t r = 0; r < n; ++r) {
    const double along = static_cast<double>(r);
    if (height >= 12 || r % 2 == 0)
      text +=
          svg_text(left - 8, top + (along + 0.5) * height + 4, names[r], "end", height < 16 ? "class=\"small\"" : "");
    if (r % every == 0 || (r + 1) % every == 0)
      if (every == 1 || (r + 1) % every == 0)
        text += svg_text(left + (along + 0.5) * size, top - 6, std::to_string(r + 1), "middle", "class=\"small\"");
  }
  std::array<std::string, levels> cells;
  std::string dots, numbers;
  for (const MatrixPlot::Square& square : plot.squares) {
    if (!std::isfinite(square.value)) continue;
    const double x = left + static_cast<double>(square.column) * size,
                 y = top + static_cast<double>(square.row) * height;
    const std::size_t level = level_of(square.value, largest);
    cells[level] += fmt::format("M{} {}h{}v{}h-{}z", pixels(x + 0.5), pixels(y + 0.5), pixels(size - 1),
                                pixels(height - 1), pixels(size - 1));
    if (values)
      numbers += svg_text(x + size / 2, y + height / 2 + 4,
                          fmt::format("{:+.3f}", square.value).erase(1, std::abs(square.value) < 0.9995 ? 1 : 0) +
                              (square.marked ? "*" : ""),
                          "middle", fmt::format("class=\"small d{}t\"", level));
    else if (square.marked)
      dots += "M" + pixels(x + size / 2) + " " + pixels(y + height / 2) + "h0";
  }
  for (std::size_t level = 0; level < levels; ++level)
    if (!cells[level].empty()) text += fmt::format("<path class=\"d{}\" d=\"{}\"/>", level, cells[level]);
  if (!dots.empty()) text += "<path class=\"axis\" stroke-width=\"3\" stroke-linecap=\"round\" d=\"" + dots + "\"/>";
  text += numbers;
  const double below = top + static_cast<double>(n) * height + 22;
  text += svg_text(8, below, plot.legend, "start", "class=\"small\"");
  const double width = std::max(left + static_cast<double>(n) * size + 12, text_width(plot.legend) + 16);
  return svg_element(std::max(width, text_width(cut_to_width(plot.title, 84)) * 1.2 + 16), below + 12, plot.title,
                     plot.description, use, text);
}

}  // namespace peftbench::report
