#pragma once

#include "data/task/metric_names.h"
#include "eval/layer.h"
#include "eval/metrics.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::eval {

// A metric over predictions, prepared once and evaluated for many draws of them.
struct Scorer {
  using Weights = std::vector<double>;  // how often each prediction was sampled; equal within a group

  std::int64_t n = 0;         // predictions that count: one of each group, where the metric says so
  bool share = false;         // the share of right ones among n that do not depend on each other
  bool grouped = false;       // groups must be sampled as a whole
  double lowest = 0;          // that the metric can be
  std::vector<double> parts;  // of a mean: the value of each that counts, in their order; of a share 1 or 0
  std::function<double(const Weights&)> value;
};

// `names`: the metrics that `mean` is the mean of, itself left out. Throws ConfigError for an
// unknown name.
Scorer make_scorer(std::string_view name, const std::vector<std::string>& names,
                   const std::vector<Prediction>& predictions, int labels);

// What is drawn together: the unit of each prediction, 0 … count − 1.
struct Units {
  std::vector<std::size_t> of;
  std::size_t count = 0;
};
// Whole groups where `grouped`; a prediction without a group is a unit of its own.
Units units_of(const std::vector<Prediction>& predictions, bool grouped);

// Whether the answer is right: of a metric that has no right and wrong (a correlation), whether it equals the target.
bool is_right(MetricInfo::Judges judges, const Prediction& prediction);

// The answer as SQuAD's scorer sees it, against the nearest right answer.
double squad_f1(const Prediction& prediction);
bool squad_match(const Prediction& prediction);

}  // namespace peftbench::eval
