#include "report/column_choice.h"

#include "core/names.h"
#include "report/comparison_columns.h"

#include <peftbench/error.h>

#include <algorithm>

namespace peftbench::report {
namespace {

struct ColumnGroup {
  const char* name;
  std::vector<std::string> keys;
};

const std::vector<ColumnGroup>& column_groups() {
  static const std::vector<ColumnGroup> groups = {
      {"counts", {"trained", "percent", "receiving_gradient", "stored", "inference", "after_merge"}},
      {"flops", {"training_step_flops", "prediction_flops"}},
      {"energy", {"training_joules", "evaluation_joules"}},
      {all_metrics, {all_metrics}}};
  return groups;
}

std::vector<std::string> split_at_commas(const std::vector<std::string>& words) {
  std::vector<std::string> parts;
  for (const std::string& word : words)
    for (std::size_t at = 0; at <= word.size();) {
      const std::size_t end = std::min(word.find(',', at), word.size());
      std::string part = word.substr(at, end - at);
      part.erase(0, part.find_first_not_of(' '));
      part.erase(part.find_last_not_of(' ') + 1);
      parts.push_back(std::move(part));
      at = end + 1;
    }
  return parts;
}

// The keys of a column, a group or a metric; empty: there is none of this name.
std::vector<std::string> keys_named(const std::string& name, const MetricMeanings& metrics) {
  for (const ColumnGroup& group : column_groups())
    if (name == group.name) return group.keys;
  const std::vector<ColumnMeaning> columns = page_columns();
  for (const ColumnMeaning& column : columns)
    if (name == column.key) return {column.key};
  for (const ColumnMeaning& column : columns)
    if (name == column.title) return {column.key};
  for (const auto& [metric, meaning] : metrics)
    if (name == metric) return {metric};
  return {};
}

std::vector<std::string> all_names(const MetricMeanings& metrics) {
  std::vector<std::string> names;
  for (const ColumnMeaning& column : page_columns()) names.push_back(column.key);
  for (const ColumnGroup& group : column_groups()) names.emplace_back(group.name);
  for (const auto& [metric, meaning] : metrics) names.push_back(metric);
  return names;
}

}  // namespace

bool ColumnChoice::has(const std::string& key) const {
  return std::count(only.begin(), only.end(), key) + std::count(more.begin(), more.end(), key) > 0;
}

ColumnChoice choose_columns(const std::vector<std::string>& words, const MetricMeanings& metrics,
                            const std::string& origin) {
  ColumnChoice choice;
  for (const std::string& part : split_at_commas(words)) {
    const bool more = part.starts_with('+');
    const std::string name = part.substr(more ? 1 : 0);
    const std::vector<std::string> keys = keys_named(name, metrics);
    if (keys.empty())
      throw ConfigError({.what = origin + ": unknown column",
                         .found = "'" + name + "'",
                         .expected = "columns of `peft-bench report --columns help`, separated by commas",
                         .remedy = did_you_mean(name, all_names(metrics))});
    std::vector<std::string>& to = more ? choice.more : choice.only;
    to.insert(to.end(), keys.begin(), keys.end());
  }
  return choice;
}

Table columns_help(const MetricMeanings& metrics) {
  Table table({"column", "title", "default", "meaning"});
  for (const ColumnMeaning& column : page_columns())
    table.add({column.key, column.title, column.by_default ? "yes" : "", column.meaning});
  for (const ColumnGroup& group : column_groups())
    table.add({group.name, "", "",
               group.name == std::string(all_metrics) ? "all metrics of the rows' tasks" : join(group.keys)});
  for (const auto& [metric, meaning] : metrics) table.add({metric, metric, "", "metric: " + meaning});
  return table;
}

}  // namespace peftbench::report
