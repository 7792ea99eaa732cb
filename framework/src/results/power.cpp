#include "results/power.h"

#include "results/table_tests.h"

#include <boost/math/distributions/students_t.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace peftbench::results {
namespace {

double upper_quantile(double degrees, double share) {
  return boost::math::quantile(boost::math::complement(boost::math::students_t_distribution<double>(degrees), share));
}

}  // namespace

double detectable_difference(const PowerDesign& design) {
  if (design.seeds < 1 || design.examples < 2) return std::numeric_limits<double>::quiet_NaN();
  const auto seeds = static_cast<double>(design.seeds), examples = static_cast<double>(design.examples);
  const double one_answer = design.accuracy * (1 - design.accuracy);
  const double level = significance / static_cast<double>(std::max<std::int64_t>(design.pairs, 1)) / 2;
  if (design.seeds == 1) {  // two runs: nothing is known of other seeds
    const double variance = 2 * one_answer * (1 - correlation_of_methods) / examples;
    return (upper_quantile(examples - 1, level) + upper_quantile(examples - 1, 1 - planned_power)) *
           std::sqrt(variance);
  }
  // Seeds differ at least by what single answers vary.
  const double by_seed =
      std::max(design.seed_deviation * design.seed_deviation, one_answer * (1 - correlation_of_seeds) / examples);
  const double seed_part = 2 * by_seed / seeds;
  const double unit_part = 2 * one_answer * (correlation_of_seeds - correlation_of_methods) / examples;
  const double variance = seed_part + unit_part;
  const auto quantile = [&](double share) {  // as Cochran and Cox combine the two
    return (seed_part * upper_quantile(2 * seeds - 2, share) + unit_part * upper_quantile(examples - 1, share)) /
           variance;
  };
  return (quantile(level) + quantile(1 - planned_power)) * std::sqrt(variance);
}

}  // namespace peftbench::results
