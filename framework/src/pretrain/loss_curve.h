#pragma once

#include "pretrain/layer.h"

#include <string>
#include <utility>
#include <vector>

namespace peftbench::pretrain {

struct LossCurve {
  std::string name;
  std::vector<std::pair<double, double>> points;  // step, loss in nats a target token
};

// An SVG figure with one line a curve, axes and a legend.
std::string draw_curves(const std::vector<LossCurve>& curves, const std::string& title);

}  // namespace peftbench::pretrain
