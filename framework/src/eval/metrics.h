#pragma once

#include "eval/layer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace peftbench::eval {

// An answer and its target. Labels are indices in the task's label words; −1 is an answer that is none
// of them.
struct Prediction {
  std::int64_t index = 0;  // place in the split
  std::string prediction;  // text that was generated, or the label word that was chosen
  int label = -1;
  std::string target;
  int target_label = -1;
  bool correct = false;                      // as the task's first metric sees it
  std::vector<std::string> references = {};  // all correct answers; empty: only the target
  std::string group = {};                    // rows of one question; empty: a single row
  std::optional<std::string> judged = {};    // the compared text, if it is not the answer's text or label
  bool illegal = false;                      // not a valid answer: not a label word, not a number, or empty
};

struct MetricValue {
  std::string name;
  double value = 0;
  std::int64_t n = 0;        // rows, or groups where they count once
  double low = 0, high = 0;  // 95% confidence interval
};

// Values of the metrics (data/task/metric_names.h) in their order, `labels` being how many label words the task has.
// The interval is Wilson's for shares of right answers, else the percentiles of a bootstrap seeded by `seed`, which
// draws whole groups where the metric has them. docs/tasks.md defines each metric. Throws ConfigError for an unknown
// name.
std::vector<MetricValue> compute_metrics(const std::vector<std::string>& names,
                                         const std::vector<Prediction>& predictions, int labels,
                                         std::uint64_t seed = 0);
// The value alone. `mean` is that of the others of `names`.
double metric_value(const std::string& name, const std::vector<std::string>& names,
                    const std::vector<Prediction>& predictions, int labels);

// Fills in `correct`, `judged` and `illegal` as the first of the task's metrics (but `mean`) sees the answer; where a
// metric gives labels of its own (wsc_simple), `label` too.
void judge_answer(Prediction& prediction, const std::vector<std::string>& metrics, int labels);
// Whether these metrics can find an answer illegal.
bool answers_may_be_illegal(const std::vector<std::string>& metrics, int labels);

// Most frequent label; the lowest in a tie. −1 where there is none.
int majority_label(const std::vector<int>& labels);

// The best that one constant answer reaches in a metric.
struct ConstantAnswer {
  std::string name;  // of the metric
  double value = 0;
  std::string answer;  // the label word; of wsc_simple "a wrong referent"
};
// Of each metric, in their order; of equally good labels the most frequent, then the lowest. Free text has none, but
// for wsc_simple.
std::vector<ConstantAnswer> constant_answers(const std::vector<std::string>& metrics, std::vector<Prediction> targets,
                                             const std::vector<std::string>& labels);

}  // namespace peftbench::eval
