#include "results/jackknife.h"

namespace peftbench::results {

std::vector<double> jackknife_values(const std::vector<std::size_t>& unit_of, std::size_t units,
                                     const std::function<double(const std::vector<double>& weights)>& score) {
  std::vector<std::vector<std::size_t>> examples(units);
  for (std::size_t i = 0; i < unit_of.size(); ++i) examples.at(unit_of[i]).push_back(i);
  std::vector<double> weights(unit_of.size(), 1.0), values(units, 0);
  const double whole = score(weights);
  if (units < 2) return std::vector<double>(units, whole);
  const auto n = static_cast<double>(units);
  double sum = 0;
  for (std::size_t u = 0; u < units; ++u) {
    for (const std::size_t i : examples[u]) weights[i] = 0;
    values[u] = n * whole - (n - 1) * score(weights);
    for (const std::size_t i : examples[u]) weights[i] = 1;
    sum += values[u];
  }
  const double shift = whole - sum / n;  // the jackknife's correction of bias, which the score that is shown lacks
  for (double& value : values) value += shift;
  return values;
}

}  // namespace peftbench::results
