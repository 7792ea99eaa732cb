#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace peftbench {

// One scored example. Labels are places in the task's label words; −1 is an answer that is none of them.
struct Outcome {
  int predicted = -1;
  int target = -1;
  bool correct = false;  // the texts are equal, for free text
};

struct MetricValue {
  std::string name;
  double value = 0;
  std::int64_t n = 0;
  double low = 0, high = 0;  // 95% confidence interval
};

// accuracy, macro_f1, matthews, exact_match. All are better when larger.
const std::vector<std::string>& metric_names();
bool metric_needs_labels(const std::string& name);

// The interval is Wilson's for accuracy and exact_match, else the percentiles of a bootstrap seeded by `seed`.
// macro_f1 is over all `labels` labels, absent ones counting 0, as scikit-learn's with labels= and zero_division=0.
// matthews takes −1 for a class of its own. Throws ConfigError for an unknown name.
MetricValue compute_metric(const std::string& name, const std::vector<Outcome>& outcomes, int labels,
                           std::uint64_t seed = 0);

// Most frequent label; of equally frequent ones the lowest. −1 where there is none.
int majority_label(const std::vector<int>& labels);

}  // namespace peftbench
