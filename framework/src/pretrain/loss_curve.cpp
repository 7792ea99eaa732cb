#include "pretrain/loss_curve.h"

#include "core/terminal_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace peftbench::pretrain {
namespace {

constexpr double width = 640, height = 360, left = 56, right = 16, top = 40, bottom = 44;
constexpr const char* colours[] = {"#1b6ca8", "#c2452d", "#3a8f4d", "#8a5aa8"};

// 1, 2 or 5 times a power of ten, so that about `count` of them fill the range.
double tick(double range, int count) {
  const double rough = range / count, power = std::pow(10, std::floor(std::log10(rough)));
  const double lead = rough / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double x) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
  double size() const { return high - low; }
};

// A name is text, never elements or scripts of the picture.
std::string for_xml(const std::string& text) {
  std::string result;
  for (const char c : in_one_line(text))
    result += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return result;
}

}  // namespace

std::string draw_curves(const std::vector<LossCurve>& curves, const std::string& title) {
  Range steps, losses;
  for (const LossCurve& curve : curves) {
    for (const auto& [step, loss] : curve.points) {
      steps.add(step);
      losses.add(loss);
    }
  }
  if (!(steps.size() > 0)) steps = {steps.low == steps.high ? steps.low - 1 : 0, steps.high + 1};
  const double margin = std::max(0.1, losses.size() * 0.05);
  losses = {losses.low - margin, losses.high + margin};
  const auto x = [&](double step) { return left + (step - steps.low) / steps.size() * (width - left - right); };
  const auto y = [&](double loss) { return top + (losses.high - loss) / losses.size() * (height - top - bottom); };
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n<text x=\"{2}\" y=\"18\" font-size=\"14\">{3}</text>\n",
      width, height, left, for_xml(title));
  const double step_tick = tick(steps.size(), 6), loss_tick = tick(losses.size(), 5);
  for (double s = std::ceil(steps.low / step_tick) * step_tick; s <= steps.high; s += step_tick) {
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f}</text>\n", x(s),
                       height - bottom + 18, s);
  }
  for (double l = std::ceil(losses.low / loss_tick) * loss_tick; l <= losses.high; l += loss_tick) {
    svg += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#dddddd\"/>"
        "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.4g}</text>\n",
        left, width - right, y(l), left - 6, y(l) + 4, l);
  }
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">step</text>\n", (left + width - right) / 2,
                     height - 8);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const char* colour = colours[i % std::size(colours)];
    std::string points;
    for (const auto& [step, loss] : curves[i].points) points += fmt::format("{:.1f},{:.1f} ", x(step), y(loss));
    svg += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"/>\n", points, colour);
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"{}\">{}</text>\n", width - right,
                       top + 14 + 16 * static_cast<double>(i), colour, for_xml(curves[i].name));
  }
  return svg + "</svg>\n";
}

}  // namespace peftbench::pretrain
