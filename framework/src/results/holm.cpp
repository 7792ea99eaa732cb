#include "results/holm.h"

#include <algorithm>
#include <cstddef>

namespace peftbench::results {

std::vector<std::optional<double>> holm_adjusted(const std::vector<std::optional<double>>& values) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i]) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) { return *values[x] < *values[y]; });
  std::vector<std::optional<double>> adjusted(values.size());
  double most = 0;  // no smaller p gets a larger one
  for (std::size_t k = 0; k < order.size(); ++k) {
    most = std::max(most, std::min(1.0, static_cast<double>(order.size() - k) * *values[order[k]]));
    adjusted[order[k]] = most;
  }
  return adjusted;
}

}  // namespace peftbench::results
