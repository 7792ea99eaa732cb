#pragma once

#include "results/layer.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::results {

// The values of a row, by seed and by unit (an example, or a group of them); the mean over the units is a seed's score.
// All seeds have answered the same units.
using SeedValues = std::vector<std::vector<double>>;

// What the test needs of one row: computed once, for all pairs that the row is in.
struct CrossedRow {
  std::size_t seeds = 0;
  double mean = 0;                 // over seeds and units
  double seed_variance = 0;        // of the seeds' scores, by S − 1; 0 for one seed
  std::vector<double> unit_means;  // over seeds
  double residual = 0;             // mean square of seeds × units, by (S − 1)(N − 1); 0 for one seed
  double scale = 0;                // largest value: variances that rounding makes are zero beside it
};

// Throws Error for rows of different lengths, and for none.
CrossedRow crossed_row(const SeedValues& values);

// The variance of a difference and the test on it.
struct CrossedTest {
  double difference = 0;                      // a's mean minus b's
  double seed_part = 0, unit_part = 0;        // the variance: of the choice of seeds, and of units
  double seed_degrees = 0, unit_degrees = 0;  // of freedom
  std::optional<double> p;                    // two-sided, at least 1e-300
  std::string test;                           // its name; "no variation" where it has no p
};

// Whether two rows differ, with their seeds and the examples both taken as random: what is tested is the difference of
// the methods on new seeds and new examples. The rows are not paired by seed and may have different numbers of seeds.
// docs/statistics.md has the formulas: variances of the two-way tables, combined by Cochran and Cox (1950). A row with
// one seed borrows the variance over seeds of the other. Absent where both have one seed, or under two units.
// Throws Error for rows with different units.
std::optional<CrossedTest> crossed_test(const CrossedRow& a, const CrossedRow& b);

}  // namespace peftbench::results
