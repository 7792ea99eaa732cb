#pragma once

#include "data/layer.h"

#include <peftbench/error.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace peftbench::data {

struct TaskConfig;  // data/task/task.h
class TextList;     // data/prepared/text_list.h

// The inputs of a metric, besides the text of answers and targets. eval/metrics.h computes; here is what a task's file
// can be checked against before any data is read.
struct MetricInfo {
  enum class Labels { any, needed, two, none };  // label words of the task; two: exactly two
  // How one answer is found right, and what of it is: the label, the text, the text as SQuAD normalises it, whether it
  // names the referent, the number.
  enum class Judges { label, text, squad, referent, number };

  std::string_view name;
  std::string_view summary;  // one line
  Labels labels = Labels::any;
  Judges judges = Judges::label;
  bool groups = false;  // rows belong to groups (TextExample::group)
};

// All metrics. Larger is better for every one.
const std::vector<MetricInfo>& metric_table();
std::vector<std::string> metric_names();
const MetricInfo* find_metric(std::string_view name);   // null if there is none of this name
MetricInfo::Judges judges_of(std::string_view metric);  // label where there is none of this name

// `mean` is the mean of a task's other metrics: what selects checkpoints of a task with two (Lester et al. 2021, §3).
inline constexpr std::string_view mean_metric = "mean";

// What is wrong with `metric` among the metrics of a task with these label words.
std::optional<Problem> metric_problem(const std::string& metric, const std::vector<std::string>& metrics,
                                      const std::vector<std::string>& labels);

// Throws DataError naming the first example that lacks what the task's metrics need.
void check_metric_needs(const TaskConfig& config, const TextList& examples);

// The number that a text is, white space around it left out; nothing if it is none, or not finite.
std::optional<double> number_of(std::string_view text);

}  // namespace peftbench::data
