#pragma once

#include "report/figures/scale.h"
#include "report/layer.h"
#include "results/run_record.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Plots as SVG, without a browser. What is drawn follows the reader's light or dark scheme.
namespace peftbench::report {

enum class SvgUse {
  file,  // alone: with its own style sheet
  page,  // in a page that has svg_style()
};

// What the classes of the SVGs mean. Also part of every file.
std::string svg_style();

struct PlotPoint {
  double x = 0, y = 0;
  std::optional<Interval> interval = {};  // of y
  std::string label = {};                 // beside the point, where there is room
};

struct PlotSeries {
  std::string name;       // in the legend; empty: not there
  std::size_t color = 0;  // beyond the ten colours: their second form, square or dashed
  bool line = false, points = true, dashed = false;
  bool step = false;  // the line goes right, then up
  std::vector<PlotPoint> data;
};

struct XyPlot {
  std::string title, description;  // told to who cannot see it; the title also stands above
  Axis x, y;
  std::vector<PlotSeries> series;
};

// Points that are not finite are left out.
std::string svg(const XyPlot& plot, SvgUse use);

// Differences of pairs: cell (r, c) is row r minus row c.
struct MatrixPlot {
  struct Square {
    std::size_t row = 0, column = 0;
    double value = 0;
    bool marked = false;  // with a dot
  };
  std::string title, description, legend;
  std::vector<std::string> rows;
  std::vector<Square> squares;
};
std::string svg(const MatrixPlot& plot, SvgUse use);

}  // namespace peftbench::report
