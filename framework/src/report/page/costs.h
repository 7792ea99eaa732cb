#pragma once

#include "report/layer.h"
#include "report/page/page_data.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace peftbench::report {

// What a row's score is set against.
struct Cost {
  const char* key;    // in names of files and in the page's data
  const char* words;  // "step time"
  const char* axis;   // with its unit
  bool log;
  std::optional<double> (*value)(const PageData&, std::size_t row);
};
const std::vector<Cost>& costs();

struct CostPoint {
  double cost = 0, score = 0;
  std::size_t row = 0;
};

// The points that no other beats: none costs less or as much with a higher score, nor less with the same. By rising
// cost; of equal points the first.
std::vector<CostPoint> pareto_front(std::vector<CostPoint> points);

}  // namespace peftbench::report
