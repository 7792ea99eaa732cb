#include "report/figures/svg_parts.h"
#include "report/format.h"

#include <algorithm>
#include <cmath>

namespace peftbench::report {
namespace {

constexpr double plot_width = 640, plot_top = 34, plot_bottom = 330, plot_left = 66, plot_right = 624;

struct Box {
  double left, top, right, bottom;
  bool meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

bool is_drawn(const PlotPoint& point) { return std::isfinite(point.x) && std::isfinite(point.y); }

// Axes, grid, points and lines, in the order in which they are painted.
class XyDrawing {
 public:
  explicit XyDrawing(const XyPlot& plot)
      : plot_(plot),
        x_(plot.x, values(plot, true), plot_left, plot_right),
        y_(plot.y, values(plot, false), plot_bottom, plot_top) {}

  std::string text() {
    axes();
    for (const PlotSeries& series : plot_.series)
      if (series.line) line(series);
    for (const PlotSeries& series : plot_.series)
      if (series.points) dots(series);
    for (const PlotSeries& series : plot_.series)
      for (const PlotPoint& point : series.data)
        if (is_drawn(point) && !point.label.empty()) label(point);
    legend();
    return text_;
  }
  double height() const { return height_; }

 private:
  static std::vector<double> values(const XyPlot& plot, bool of_x) {
    std::vector<double> all;
    for (const PlotSeries& series : plot.series)
      for (const PlotPoint& point : series.data) {
        if (!is_drawn(point)) continue;
        all.push_back(of_x ? point.x : point.y);
        if (!of_x && point.interval) all.insert(all.end(), {point.interval->low, point.interval->high});
      }
    all.erase(std::remove_if(all.begin(), all.end(), [](double value) { return !std::isfinite(value); }), all.end());
    return all;
  }

  void axes() {
    text_ += svg_text(8, 18, cut_to_width(plot_.title, 84), "start", "class=\"title\"");
    std::string grid, labels;
    double last = -1e9;
    for (const Tick& tick : x_.ticks()) {
      const double x = x_.at(tick.value), half = text_width(tick.label) / 2;
      grid += "M" + pixels(x) + " " + pixels(plot_top) + "V" + pixels(plot_bottom);
      if (x - half < last + 6) continue;
      labels += svg_text(x, plot_bottom + 17, tick.label, "middle");
      last = x + half;
    }
    for (const Tick& tick : y_.ticks()) {
      grid += "M" + pixels(plot_left) + " " + pixels(y_.at(tick.value)) + "H" + pixels(plot_right);
      labels += svg_text(plot_left - 8, y_.at(tick.value) + 4, tick.label, "end");
    }
    text_ += "<path class=\"grid\" d=\"" + grid + "\"/><path class=\"axis\" d=\"M" + pixels(plot_left) + " " +
             pixels(plot_top) + "V" + pixels(plot_bottom) + "H" + pixels(plot_right) + "\"/>" + labels;
    text_ += svg_text((plot_left + plot_right) / 2, plot_bottom + 36, plot_.x.title, "middle");
    text_ += svg_text(0, 0, plot_.y.title, "middle",
                      "transform=\"translate(14 " + pixels((plot_top + plot_bottom) / 2) + ") rotate(-90)\"");
  }

  void line(const PlotSeries& series) {
    std::string path;
    double last_x = 0, last_y = 0;
    for (const PlotPoint& point : series.data) {
      if (!is_drawn(point)) continue;
      const double x = x_.at(point.x), y = y_.at(point.y);
      if (!path.empty() && series.step) {  // no label stands on it
        taken_.push_back({last_x, last_y - 1, x, last_y + 1});
        taken_.push_back({x - 1, y, x + 1, last_y});
      }
      path += path.empty() ? "M" : series.step ? "H" : "L";
      path += series.step && path.size() > 1 ? pixels(x) + "V" + pixels(y) : pixels(x) + " " + pixels(y);
      last_x = x;
      last_y = y;
    }
    if (path.empty()) return;
    const std::string color = series.dashed ? "front dashed" : series_class(series.color);
    text_ += "<path class=\"line " + color + "\" d=\"" + path + "\"/>";
  }

  // A line of no length with round ends is a point: a tenth of the bytes of a <circle>.
  void dots(const PlotSeries& series) {
    std::string path, bars;
    for (const PlotPoint& point : series.data) {
      if (!is_drawn(point)) continue;
      const double x = x_.at(point.x), y = y_.at(point.y);
      path += "M" + pixels(x) + " " + pixels(y) + "h0";
      taken_.push_back({x - 5, y - 5, x + 5, y + 5});
      if (point.interval && std::isfinite(point.interval->low) && std::isfinite(point.interval->high))
        bars += "M" + pixels(x) + " " + pixels(y_.at(point.interval->low)) + "V" + pixels(y_.at(point.interval->high));
    }
    if (!bars.empty()) text_ += "<path class=\"bar " + series_class(series.color) + "\" d=\"" + bars + "\"/>";
    if (!path.empty()) text_ += "<path class=\"dots " + series_class(series.color) + "\" d=\"" + path + "\"/>";
  }

  // On the first side where it covers nothing; else the point has none: the legend has its colour.
  void label(const PlotPoint& point) {
    const double x = x_.at(point.x), y = y_.at(point.y);
    const std::string shown = cut_to_width(point.label, 30);
    const double width = text_width(shown);
    struct Side {
      double dx, dy;
      const char* anchor;
    };
    for (const Side& side : {Side{8, 4, "start"}, Side{-8, 4, "end"}, Side{0, -9, "middle"}, Side{0, 18, "middle"},
                             Side{7, -7, "start"}, Side{7, 16, "start"}, Side{-7, -7, "end"}, Side{-7, 16, "end"},
                             // A line's height farther away.
                             Side{0, -22, "middle"}, Side{0, 31, "middle"}, Side{-7, -20, "end"}, Side{7, -20, "start"},
                             Side{-7, 29, "end"}, Side{7, 29, "start"}}) {
      const double left = x + side.dx - (side.anchor[0] == 'e' ? width : side.anchor[0] == 'm' ? width / 2 : 0);
      const Box box = {left, y + side.dy - 10, left + width, y + side.dy + 3};
      if (box.left < plot_left + 2 || box.right > plot_right || box.top < plot_top || box.bottom > plot_bottom)
        continue;
      if (std::any_of(taken_.begin(), taken_.end(), [&](const Box& other) { return box.meets(other); })) continue;
      taken_.push_back(box);
      text_ += svg_text(x + side.dx, y + side.dy, shown, side.anchor, "class=\"small\"");
      return;
    }
  }

  void legend() {
    double x = plot_left, y = plot_bottom + 60;
    bool any = false;
    for (const PlotSeries& series : plot_.series) {
      if (series.name.empty()) continue;
      const std::string name = cut_to_width(series.name, 60);
      const double width = 22 + text_width(name) + 14;
      if (any && x + width > plot_width) x = plot_left, y += 18;
      const std::string color = series.dashed ? "front dashed" : series_class(series.color);
      if (series.line)
        text_ += "<path class=\"line " + color + "\" d=\"M" + pixels(x) + " " + pixels(y - 4) + "h16\"/>";
      if (series.points)
        text_ += "<path class=\"dots " + color + "\" d=\"M" + pixels(x + 8) + " " + pixels(y - 4) + "h0\"/>";
      text_ += svg_text(x + 22, y, name);
      x += width;
      any = true;
    }
    height_ = any ? y + 14 : plot_bottom + 48;
  }

  const XyPlot& plot_;
  Scale x_, y_;
  std::string text_;
  std::vector<Box> taken_;
  double height_ = 0;
};

}  // namespace

std::string svg(const XyPlot& plot, SvgUse use) {
  XyDrawing drawing(plot);
  const std::string inside = drawing.text();
  return svg_element(plot_width, drawing.height(), plot.title, plot.description, use, inside);
}

}  // namespace peftbench::report
