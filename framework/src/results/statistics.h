#pragma once

#include "results/layer.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace peftbench::results {

struct Summary {
  std::int64_t n = 0;
  double mean = std::numeric_limits<double>::quiet_NaN();
  std::optional<double> deviation;  // of the sample, by n − 1; nothing for fewer than two
};

Summary summarise(const std::vector<double>& values);

// Nothing for none.
std::optional<double> mean_if_any(const std::vector<double>& values);

// NaN for none; the mean of the two in the middle for an even number.
double median(std::vector<double> values);

}  // namespace peftbench::results
