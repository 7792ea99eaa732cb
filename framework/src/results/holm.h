#pragma once

#include "results/layer.h"

#include <optional>
#include <vector>

namespace peftbench::results {

// p values of several tests, adjusted by Holm's step-down method: the family-wise error rate is controlled. In the same
// order; those that are absent stay so and do not count as tests.
std::vector<std::optional<double>> holm_adjusted(const std::vector<std::optional<double>>& values);

}  // namespace peftbench::results
