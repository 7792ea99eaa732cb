#include "report/figures/svg_parts.h"

#include "report/escape.h"
#include "report/format.h"

#include <fmt/format.h>

#include <cmath>

namespace peftbench::report {
namespace {

constexpr std::size_t colors = 10;

}  // namespace

// The colours have a contrast of 3 to 1 or more to the ground of their scheme.
std::string svg_style() {
  const char* light[colors] = {"#3456b8", "#c2410c", "#13795b", "#8b2fa8", "#8a6100",
                               "#0b7285", "#b4245d", "#566b00", "#6b5344", "#5a5a5a"};
  const char* dark[colors] = {"#8fa8ff", "#ff9d6b", "#5fd3a4", "#d79bf2", "#e8b84a",
                              "#5fd0e6", "#ff8fb8", "#b9cc4a", "#d0b8a2", "#bdbdbd"};
  const char* light_cells[] = {"#b04a00", "#d98a4a", "#f0c9a4", "#f4f4f4", "#b9cdf2", "#7296e0", "#2f57b0"};
  const char* dark_cells[] = {"#ffa35c", "#8f4f1b", "#523119", "#2a2a2a", "#25375f", "#3a5aa8", "#9db8ff"};
  std::string style =
      ".pb{color:#1b1b1b;background:#fff;font:12px system-ui,sans-serif}.pb text{fill:currentColor}"
      ".pb .grid{stroke:currentColor;stroke-opacity:.16;fill:none}.pb .axis{stroke:currentColor;fill:none}"
      ".pb .title{font-size:14px;font-weight:600}.pb .small{font-size:11px}"
      ".pb .line{fill:none;stroke-width:1.6;stroke-linejoin:round}.pb .dashed{stroke-dasharray:5 4}"
      ".pb .line.again{stroke-dasharray:2 3}.pb .bar{stroke-width:1;stroke-opacity:.6;fill:none}"
      ".pb .dots{fill:none;stroke-width:8;stroke-linecap:round}.pb .dots.again{stroke-width:7;stroke-linecap:square}"
      ".pb .front{stroke:currentColor;stroke-opacity:.55}";
  const auto palette = [&](const char* const(&series)[colors], const auto& cells) {
    for (std::size_t c = 0; c < colors; ++c) style += fmt::format(".pb .c{}{{stroke:{}}}", c, series[c]);
    for (std::size_t c = 0; c < std::size(cells); ++c) style += fmt::format(".pb .d{}{{fill:{}}}", c, cells[c]);
  };
  palette(light, light_cells);
  style += ".pb .d0t,.pb .d6t{fill:#fff}@media(prefers-color-scheme:dark){.pb{color:#e6e6e6;background:#161616}";
  palette(dark, dark_cells);
  return style + ".pb .d0t,.pb .d6t{fill:#111}}";
}

std::string pixels(double value) {
  const double rounded = std::round(value * 10) / 10;
  return rounded == 0 ? "0" : fmt::format("{}", rounded);
}

std::string svg_text(double x, double y, std::string_view text, std::string_view anchor, std::string_view more) {
  std::string element = "<text x=\"" + pixels(x) + "\" y=\"" + pixels(y) + "\"";
  if (anchor != "start") element += " text-anchor=\"" + std::string(anchor) + "\"";
  if (!more.empty()) element += " " + std::string(more);
  return element + ">" + for_html(text) + "</text>";
}

double text_width(std::string_view text) { return 6.8 * static_cast<double>(display_width(text)); }

std::string svg_element(double width, double height, const std::string& title, const std::string& description,
                        SvgUse use, const std::string& inside) {
  std::string text = use == SvgUse::file ? "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" : "";
  text += "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pb\" role=\"img\" viewBox=\"0 0 " + pixels(width) + " " +
          pixels(height) + "\" width=\"" + pixels(width) + "\" height=\"" + pixels(height) + "\"><title>" +
          for_html(title) + "</title><desc>" + for_html(description) + "</desc>";
  if (use == SvgUse::file) text += "<style>" + svg_style() + "</style>";
  return text + inside + "</svg>\n";
}

std::string series_class(std::size_t color) {
  return fmt::format("c{}{}", color % colors, color / colors % 2 == 1 ? " again" : "");
}

}  // namespace peftbench::report
