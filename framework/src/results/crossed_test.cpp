#include "results/crossed_test.h"

#include <peftbench/error.h>

#include <boost/math/distributions/students_t.hpp>
#include <boost/math/tools/toms748_solve.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

namespace peftbench::results {
namespace {

using StudentsT = boost::math::students_t_distribution<double>;

constexpr double smallest_p = 1e-300;
constexpr double rounding = 1e-12;  // of the scale of the values

double mean_over(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Around the mean, by n − 1.
double variance_of(const std::vector<double>& values) {
  const double mean = mean_over(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return squares / static_cast<double>(values.size() - 1);
}

double two_sided(double t, double degrees) {
  return 2 * boost::math::cdf(boost::math::complement(StudentsT(degrees), t));
}

// Cochran and Cox (1950): the p whose quantiles, weighted by the parts of the variance, have the mean t.
double cochran_cox(double t, const CrossedTest& of) {
  const double seeds = of.seed_part > 0 ? two_sided(t, of.seed_degrees) : 0;
  const double units = of.unit_part > 0 ? two_sided(t, of.unit_degrees) : 0;
  if (of.seed_part <= 0) return std::max(units, smallest_p);
  if (of.unit_part <= 0) return std::max(seeds, smallest_p);
  const double total = of.seed_part + of.unit_part;
  const StudentsT by_seeds(of.seed_degrees), by_units(of.unit_degrees);
  const auto excess = [&](double log_p) {
    const double half = std::exp(log_p) / 2;
    return (of.seed_part * boost::math::quantile(boost::math::complement(by_seeds, half)) +
            of.unit_part * boost::math::quantile(boost::math::complement(by_units, half))) /
               total -
           t;
  };
  // Each quantile alone is t at its own p: the mean of the two is t between these.
  const auto [least, most] = std::minmax(std::max(seeds, smallest_p), std::max(units, smallest_p));
  const double low = std::log(least), high = std::log(most);
  if (high - low < 1e-14) return most;
  const double at_low = excess(low), at_high = excess(high);
  if (at_low <= 0) return least;
  if (at_high >= 0) return most;
  std::uintmax_t steps = 200;
  const auto found = boost::math::tools::toms748_solve(excess, low, high, at_low, at_high,
                                                       boost::math::tools::eps_tolerance<double>(50), steps);
  return std::min(1.0, std::exp((found.first + found.second) / 2));
}

}  // namespace

CrossedRow crossed_row(const SeedValues& values) {
  if (values.empty() || values.front().empty()) throw Error("a row of the crossed test has no values");
  CrossedRow row;
  row.seeds = values.size();
  const std::size_t units = values.front().size();
  const auto seeds = static_cast<double>(row.seeds), count = static_cast<double>(units);
  row.unit_means.assign(units, 0);
  std::vector<double> scores;
  for (const std::vector<double>& of_seed : values) {
    if (of_seed.size() != units) throw Error("the seeds of a row of the crossed test have different units");
    for (std::size_t i = 0; i < units; ++i) {
      row.unit_means[i] += of_seed[i] / seeds;
      row.scale = std::max(row.scale, std::abs(of_seed[i]));
    }
    scores.push_back(mean_over(of_seed));
  }
  row.mean = mean_over(scores);
  if (row.seeds < 2) return row;
  const auto without_rounding = [&](double variance) {
    const double least = rounding * row.scale;
    return variance > least * least ? variance : 0;
  };
  row.seed_variance = without_rounding(variance_of(scores));
  if (units < 2) return row;
  double squares = 0;
  for (std::size_t s = 0; s < row.seeds; ++s)
    for (std::size_t i = 0; i < units; ++i) {
      const double left = values[s][i] - scores[s] - row.unit_means[i] + row.mean;
      squares += left * left;
    }
  row.residual = without_rounding(squares / ((seeds - 1) * (count - 1)));
  return row;
}

std::optional<CrossedTest> crossed_test(const CrossedRow& a, const CrossedRow& b) {
  if (a.unit_means.size() != b.unit_means.size()) throw Error("rows of the crossed test have different units");
  const std::size_t units = a.unit_means.size();
  if (units < 2 || (a.seeds < 2 && b.seeds < 2)) return std::nullopt;
  const bool borrows = a.seeds < 2 || b.seeds < 2;
  const CrossedRow& of_a = a.seeds < 2 ? b : a;  // whose variances over seeds count
  const CrossedRow& of_b = b.seeds < 2 ? a : b;
  const auto n = static_cast<double>(units), seeds_a = static_cast<double>(a.seeds),
             seeds_b = static_cast<double>(b.seeds);
  CrossedTest result;
  result.test = borrows ? "crossed seeds and examples, one row with one seed" : "crossed seeds and examples";
  result.difference = a.mean - b.mean;
  const double part_a = of_a.seed_variance / seeds_a, part_b = of_b.seed_variance / seeds_b;
  result.seed_part = part_a + part_b;
  if (borrows)
    result.seed_degrees = static_cast<double>(std::max(a.seeds, b.seeds) - 1);  // one estimate serves both
  else if (result.seed_part > 0)
    result.seed_degrees = result.seed_part * result.seed_part /
                          (part_a * part_a / (seeds_a - 1) + part_b * part_b / (seeds_b - 1));  // Welch–Satterthwaite
  std::vector<double> between(units);
  for (std::size_t i = 0; i < units; ++i) between[i] = a.unit_means[i] - b.unit_means[i];
  // What varies anew with every seed is in the seeds' part already.
  const double residual = (of_a.residual / seeds_a + of_b.residual / seeds_b) / n;
  result.unit_part = std::max(0.0, variance_of(between) / n - residual);
  result.unit_degrees = n - 1;
  const double smallest = rounding * std::max(a.scale, b.scale), variance = result.seed_part + result.unit_part;
  if (std::abs(result.difference) <= smallest) {
    result.p = 1;
  } else if (!(variance > smallest * smallest)) {
    result.test = "no variation";
  } else {
    result.p = cochran_cox(std::abs(result.difference) / std::sqrt(variance), result);
  }
  return result;
}

}  // namespace peftbench::results
