#pragma once

#include "results/layer.h"

#include <cstddef>
#include <functional>
#include <vector>

namespace peftbench::results {

// Pseudo-values of a score that is no mean of units (an F1, a correlation): N·θ − (N − 1)·θ₍₋ᵢ₎ for each unit i,
// shifted alike so that their mean is θ itself. Of a mean of units they are the units' values. `unit_of`: the unit of
// each example, 0 … units − 1; `score`: of weights of the examples, of which those of one unit are 0. Costs a score a
// unit. NaN where a score is.
std::vector<double> jackknife_values(const std::vector<std::size_t>& unit_of, std::size_t units,
                                     const std::function<double(const std::vector<double>& weights)>& score);

}  // namespace peftbench::results
