#pragma once

#include "results/layer.h"

#include <cstdint>

namespace peftbench::results {

// What a comparison of accuracies is planned with; docs/statistics.md has the formula and reasons.
struct PowerDesign {
  std::int64_t seeds = 1, examples = 0;  // of each row
  std::int64_t pairs = 1;                // that Holm's adjustment is over
  double accuracy = 0.5;                 // of both
  double seed_deviation = 0.02;          // standard deviation of the scores of one method's seeds
};

// Correlations of right and wrong answers to the same examples: of two methods, and of two seeds of one method.
inline constexpr double correlation_of_methods = 0.5, correlation_of_seeds = 0.7;
inline constexpr double planned_power = 0.8;

// The smallest difference of two accuracies that the test of a table finds with a probability of 80 %, at a p of 5 %
// divided by the pairs. With one seed it is a difference of these two runs. NaN without seeds, or under two examples.
double detectable_difference(const PowerDesign& design);

}  // namespace peftbench::results
