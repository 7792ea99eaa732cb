#include "report/row_cells.h"

#include "report/row_text.h"
#include "report/score_grid.h"

#include <fmt/format.h>

#include <cmath>

namespace peftbench::report {

Json json_number(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json json_summary(const Summary& summary) {
  return {{"mean", json_number(summary.mean)}, {"sd", json_number(summary.deviation)}, {"n", summary.n}};
}

Cell range_cell(const std::optional<Range>& range) {
  if (!range) return {};
  return {range_text(range), range->low == range->high ? Json(range->low) : Json::array({range->low, range->high})};
}

Cell summary_cell(const Summary& summary) {
  if (summary.n == 0) return {};
  return {score_text(summary, std::nullopt), json_number(summary.mean)};
}

Json json_metrics(const std::vector<MetricScore>& metrics) {
  Json json = Json::object();
  for (const MetricScore& metric : metrics) json[metric.name] = json_summary(metric.score);
  return json;
}

Cell metric_cell(const ScoredTask& task, const std::string& name) {
  for (const MetricScore& metric : task.metrics)
    if (metric.name == name) return summary_cell(metric.score);
  return {};
}

Cell quantity_cell(const std::optional<double>& value, const char* unit) {
  return number_cell(value, [&](double number) { return format_quantity(number, unit); });
}

Cell text_cell(const std::string& text) { return text.empty() ? Cell(Cell::absent, text) : Cell(text); }

Cell list_cell(const std::vector<std::string>& list) {
  Cell cell(list);
  if (list.empty()) cell.shown = Cell::absent;
  return cell;
}

std::string score_with_interval(const ComparisonRow& row) {
  const std::string text = score_text(row);
  if (row.score.n < 2 || !row.standing || !row.standing->interval) return text;
  const Interval& interval = *row.standing->interval;
  return fmt::format("{} [{}, {}]", text, format_score(interval.low), format_score(interval.high));
}

std::optional<Interval> interval_of(const ScoredTask& task) {
  return task.own && task.row.standing && task.row.standing->interval ? task.row.standing->interval : task.interval;
}

Cell rank_cell(const ScoredTask& task) {
  if (!task.own || !task.row.standing) return {};
  const Standing& standing = *task.row.standing;
  if (standing.too_small) return {too_small_text};
  return {standing.rank_low == standing.rank_high ? std::to_string(standing.rank_low)
                                                  : fmt::format("{}–{}", standing.rank_low, standing.rank_high)};
}

Cell seeds_cell(const ComparisonRow& row) {
  const auto all = static_cast<std::int64_t>(row.runs.size());
  const std::int64_t good = finished(row);
  return {good == all ? std::to_string(all) : fmt::format("{} of {}", good, all), all};
}

Cell runs_cell(const ComparisonRow& row) {
  Json runs = Json::array();
  for (const SeedRun& run : row.runs)
    runs.push_back({{"seed", run.seed},
                    {"id", run.id},
                    {"status", run.status},
                    {"message", run.message},
                    {"score", json_number(run.score)}});
  return {std::to_string(row.runs.size()), runs};
}

Cell first_message(const ComparisonRow& row) {
  for (const SeedRun& run : row.runs)
    if (const std::string message = first_lines(run.message); !message.empty()) return message;
  return "";
}

}  // namespace peftbench::report
