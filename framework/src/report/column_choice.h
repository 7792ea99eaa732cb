#pragma once

#include "report/layer.h"
#include "report/table.h"

#include <string>
#include <utility>
#include <vector>

namespace peftbench::report {

// Which columns a page has: keys of report/comparison_columns.cpp and names of metrics.
struct ColumnChoice {
  std::vector<std::string> only;  // these, in this order, after the row's label; empty: the default ones
  std::vector<std::string> more;  // and these

  bool empty() const { return only.empty() && more.empty(); }
  bool has(const std::string& key) const;
};

// All metrics that the rows have: a column for each.
inline constexpr const char* all_metrics = "metrics";

using MetricMeanings = std::vector<std::pair<std::string, std::string>>;  // names and what they are

// Of "score,trained" or "+steps,+flops": keys, titles, names of groups of columns, metrics; with + in addition to the
// default columns. Throws ConfigError that begins with `origin` and has the nearest name.
ColumnChoice choose_columns(const std::vector<std::string>& words, const MetricMeanings& metrics,
                            const std::string& origin);

// What `--columns help` lists.
Table columns_help(const MetricMeanings& metrics);

}  // namespace peftbench::report
