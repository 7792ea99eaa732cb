#pragma once

#include "commands/layer.h"
#include "eval/metrics.h"
#include "eval/scorers.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::commands {

// A metric of a task, and the random seed of what is drawn to test it.
struct TestedMetric {
  std::string name;
  std::vector<std::string> others;  // whose mean `mean` is
  int labels = 0;
  std::uint64_t seed = 0;

  Scorer scorer(const std::vector<Prediction>& predictions) const {
    return make_scorer(name, others, predictions, labels);
  }
};

// A value for each unit, whose mean is the score of these answers: those of a mean, and pseudo-values of any other
// metric (results/jackknife.h).
std::vector<double> unit_values(const Scorer& scorer, const Units& units);
// Whether the metric is the mean of its units' values, so that it needs no pseudo-values.
bool is_mean_of(const Scorer& scorer, const Units& units);

// The answers of one run. `predictions` may be null where the metric is a mean of units.
struct ScoredAnswers {
  const std::vector<Prediction>* predictions;
  const std::vector<double>& values;  // of the units
};

struct TestResult {
  std::string test;
  std::optional<double> p;
};

// Whether two runs differ, with the examples as random: McNemar's exact test for a `share` of right answers, else a
// permutation of the examples, those of a unit together. It tells nothing of other seeds.
TestResult test_two_runs(const TestedMetric& metric, bool share, const Units& units, const ScoredAnswers& a,
                         const ScoredAnswers& b);

}  // namespace peftbench::commands
