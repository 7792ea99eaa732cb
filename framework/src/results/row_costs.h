#pragma once

#include "results/comparison.h"
#include "results/layer.h"

#include <vector>

namespace peftbench::results {

// What the finished runs of a row cost, how their best step was chosen, and what they forgot.
void add_costs(ComparisonRow& row, const std::vector<const RunRecord*>& finished);

}  // namespace peftbench::results
