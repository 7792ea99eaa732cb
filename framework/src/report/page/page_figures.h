#pragma once

#include "report/figures/svg.h"
#include "report/layer.h"
#include "report/page/page_data.h"

#include <cstddef>
#include <string>
#include <vector>

namespace peftbench::report {

// A static plot of the page.
struct Figure {
  std::string section;  // costs, curves, pairs, searches, usage
  std::string name;     // of a file, without its ending: distinct, letters, digits and -
  std::string svg;
};

// How much of the data is drawn; the page is to stay small, a file need not.
struct FigureLimits {
  std::size_t curve_points = 200'000;  // of all curves together, and two of each at least
  std::size_t matrix_rows = 60;        // of one matrix: the best by score
};

// Those that the data are enough for, in the order of the page.
std::vector<Figure> figures(const PageData& data, SvgUse use, const FigureLimits& limits = {});

// The rows of a group that a matrix shows, by falling score: all, or the best of them.
std::vector<std::size_t> matrix_rows(const PageData& data, const RowGroup& group, std::size_t most);

}  // namespace peftbench::report
