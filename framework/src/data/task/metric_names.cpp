#include "data/task/metric_names.h"

#include "core/names.h"
#include "core/numbers.h"
#include "core/utf8.h"
#include "data/prepared/text_list.h"
#include "data/task/task.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace peftbench::data {

namespace {

using Labels = MetricInfo::Labels;
using Judges = MetricInfo::Judges;

std::string labels_text(const std::vector<std::string>& labels) {
  return labels.empty() ? "free text" : std::to_string(labels.size()) + " label words: " + join(labels);
}

// What of an example is missing for a metric, or nothing.
std::optional<Problem> missing(const MetricInfo& metric, const TextExample& example) {
  const std::string name = "the metric '" + std::string(metric.name) + "' needs ";
  if (metric.groups && example.group.empty())
    return Problem{.what = name + "groups of rows that are scored together",
                   .found = "a row without a group",
                   .expected = "a group for each row"};
  if (metric.judges == Judges::number && !number_of(example.target))
    return Problem{.what = name + "numeric targets",
                   .found = "'" + printable(example.target) + "'",
                   .expected = "a number such as 3.4"};
  if (metric.judges == Judges::referent && example.label != 0 && example.label != 1)
    return Problem{.what = name + "a 0/1 label for each row: whether its target is the correct answer",
                   .found = "a row without such a label",
                   .expected = "0 or 1"};
  return std::nullopt;
}

}  // namespace

const std::vector<MetricInfo>& metric_table() {
  static const std::vector<MetricInfo> table = {
      {.name = "accuracy", .summary = "share of correct labels", .labels = Labels::needed},
      {.name = "macro_f1", .summary = "mean of the labels' F1", .labels = Labels::needed},
      {.name = "f1",
       .summary = "F1 of the second label word; an illegal answer counts as the wrong label",
       .labels = Labels::two},
      {.name = "matthews", .summary = "Matthews' correlation", .labels = Labels::needed},
      {.name = "exact_match",
       .summary = "share of answers equal to the target or to another correct answer",
       .judges = Judges::text},
      {.name = "f1a", .summary = "f1 over all answers of all questions", .labels = Labels::two},
      {.name = "em",
       .summary = "share of groups (questions) with all labels correct",
       .labels = Labels::needed,
       .groups = true},
      {.name = "squad_em", .summary = "share of normalised answers equal to a correct answer", .judges = Judges::squad},
      {.name = "squad_f1",
       .summary = "mean word F1 of normalised answers with the best-matching correct answer",
       .judges = Judges::squad},
      {.name = "record_em",
       .summary = "squad_em, each group (question) counted once",
       .judges = Judges::squad,
       .groups = true},
      {.name = "record_f1",
       .summary = "squad_f1, each group (question) counted once",
       .judges = Judges::squad,
       .groups = true},
      {.name = "pearson",
       .summary = "Pearson's correlation; an answer that is not a number counts as -1",
       .judges = Judges::number},
      {.name = "spearman",
       .summary = "Spearman's rank correlation; ties get their mean rank",
       .judges = Judges::number},
      {.name = "wsc_simple",
       .summary = "accuracy of whether the answer is the referent, compared with the row's label",
       .labels = Labels::none,
       .judges = Judges::referent},
      {.name = mean_metric, .summary = "mean of the task's other metrics"},
  };
  return table;
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const MetricInfo& metric : metric_table()) names.emplace_back(metric.name);
  return names;
}

const MetricInfo* find_metric(std::string_view name) {
  const auto& table = metric_table();
  const auto found = std::find_if(table.begin(), table.end(), [&](const MetricInfo& m) { return m.name == name; });
  return found == table.end() ? nullptr : &*found;
}

Judges judges_of(std::string_view metric) {
  const MetricInfo* info = find_metric(metric);
  return info ? info->judges : Judges::label;
}

std::optional<Problem> metric_problem(const std::string& metric, const std::vector<std::string>& metrics,
                                      const std::vector<std::string>& labels) {
  const MetricInfo* info = find_metric(metric);
  const std::string named = "the metric '" + metric + "'";
  if (!info) {
    return Problem{"unknown metric", "'" + printable(metric) + "'", "a metric of docs/tasks.md",
                   did_you_mean(metric, metric_names())};
  }
  if (std::count(metrics.begin(), metrics.end(), metric) > 1)
    return Problem{.what = named + " is listed twice", .found = join(metrics), .expected = "each metric once"};
  if (metric == mean_metric && metrics.size() < 3)
    return Problem{
        .what = named + " is the mean of the others", .found = join(metrics), .expected = "at least two other metrics"};
  if (info->labels == Labels::needed && labels.empty())
    return Problem{named + " needs label words", labels_text(labels), "the task's 'labels'",
                   "list the labels, or use exact_match"};
  if (info->labels == Labels::two && labels.size() != 2)
    return Problem{named + " needs two label words, the second of which is the positive class", labels_text(labels),
                   "two", "use macro_f1 for more"};
  if (info->labels == Labels::none && !labels.empty())
    return Problem{named + " scores free text", labels_text(labels), "a task without 'labels'", "use accuracy"};
  return std::nullopt;
}

void check_metric_needs(const TaskConfig& config, const TextList& examples) {
  std::vector<const MetricInfo*> metrics;
  for (const std::string& name : config.metrics)
    if (const MetricInfo* metric = find_metric(name);
        metric && (metric->groups || metric->judges == Judges::number || metric->judges == Judges::referent))
      metrics.push_back(metric);
  if (metrics.empty()) return;
  for (auto text = examples.begin(); text != examples.end(); ++text) {
    const StoredText stored = text.stored();
    for (const MetricInfo* metric : metrics) {
      if (std::optional<Problem> problem = missing(*metric, stored.example)) {
        problem->what = stored.origin + ": " + problem->what;
        problem->remedy = std::string(metric->groups ? "set 'group' to the fields that identify the groups, or " : "") +
                          "choose another metric for task '" + config.name + "': docs/tasks.md lists what each needs";
        throw DataError(*problem);
      }
    }
  }
}

std::optional<double> number_of(std::string_view text) {
  constexpr std::string_view spaces = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(spaces);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(spaces) - first + 1);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  return parse_number<double>(text);
}

}  // namespace peftbench::data
