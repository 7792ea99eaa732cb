#include "results/bootstrap.h"

#include "core/random.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace peftbench::results {

Interval percentile_interval(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto percentile = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {percentile(0.025), percentile(0.975)};
}

std::optional<PairedIntervals> paired_bootstrap(const BootstrapDesign& design, const SeedScore& a, const SeedScore& b) {
  if (design.units == 0 || design.seeds == 0 || design.draws <= 0) return std::nullopt;
  std::vector<double> means_a, means_b, differences;
  std::vector<double> seeds(design.seeds), units(design.units), weights(design.unit_of.size());
  const auto count = static_cast<double>(design.seeds);
  for (std::int64_t draw = 0; draw < design.draws; ++draw) {
    Random random(stream_seed(design.seed, "bootstrap of pairs", static_cast<std::uint64_t>(draw)));
    std::fill(seeds.begin(), seeds.end(), 0.0);
    std::fill(units.begin(), units.end(), 0.0);
    for (std::size_t i = 0; i < design.seeds; ++i) seeds[random.below(design.seeds)] += 1;
    for (std::size_t i = 0; i < design.units; ++i) units[random.below(design.units)] += 1;
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = units[design.unit_of[i]];
    double sum_a = 0, sum_b = 0;
    for (std::size_t s = 0; s < design.seeds; ++s) {
      if (seeds[s] == 0) continue;
      sum_a += seeds[s] * a(s, weights);
      sum_b += seeds[s] * b(s, weights);
    }
    if (!std::isfinite(sum_a) || !std::isfinite(sum_b)) return std::nullopt;
    means_a.push_back(sum_a / count);
    means_b.push_back(sum_b / count);
    differences.push_back((sum_a - sum_b) / count);
  }
  return PairedIntervals{percentile_interval(std::move(means_a)), percentile_interval(std::move(means_b)),
                         percentile_interval(std::move(differences))};
}

}  // namespace peftbench::results
