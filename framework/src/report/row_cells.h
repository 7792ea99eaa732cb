#pragma once

#include "report/comparison_columns.h"
#include "report/format.h"
#include "report/layer.h"
#include "report/table.h"
#include "results/comparison.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

namespace peftbench::report {

// The cells of report/comparison_columns.cpp. Absent where nothing is known.

Json json_number(const std::optional<double>& value);  // null for what is not finite
Json json_summary(const Summary& summary);
Json json_metrics(const std::vector<MetricScore>& metrics);

template <class Shown>
Cell number_cell(const std::optional<double>& value, Shown&& shown) {
  if (!value) return {};
  return {shown(*value), json_number(value)};
}
Cell range_cell(const std::optional<Range>& range);
Cell quantity_cell(const std::optional<double>& value, const char* unit);
Cell text_cell(const std::string& text);
Cell list_cell(const std::vector<std::string>& list);

// A mean over seeds, with the deviation where there are several.
Cell summary_cell(const Summary& summary);
Cell metric_cell(const ScoredTask& task, const std::string& name);

// With the interval of a row that was tested: "0.812 ± 0.013 [0.790, 0.833]".
std::string score_with_interval(const ComparisonRow& row);
std::optional<Interval> interval_of(const ScoredTask& task);

// What the tests say of a row in its table; nothing of other tasks.
template <class Value>
Cell standing_cell(const ScoredTask& task, Value&& value) {
  if (!task.own || !task.row.standing) return {};
  const auto known = value(*task.row.standing);
  return {fmt::format("{}", known), Json(known)};
}
Cell rank_cell(const ScoredTask& task);  // "1–4", or that there is nothing to rank by

Cell seeds_cell(const ComparisonRow& row);  // "2 of 3" where one has not finished
Cell runs_cell(const ComparisonRow& row);
Cell first_message(const ComparisonRow& row);  // of its runs

}  // namespace peftbench::report
