#include "report/page/page_data.h"

#include <algorithm>

namespace peftbench::report {

std::vector<RowGroup> row_groups(const std::vector<ComparisonRow>& rows) {
  std::vector<RowGroup> groups;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (rows[r].task.empty()) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const RowGroup& other) {
      return other.task == rows[r].task && other.backbone == rows[r].backbone;
    });
    if (group == groups.end()) group = groups.insert(groups.end(), {rows[r].task, rows[r].backbone, {}});
    group->rows.push_back(r);
  }
  return groups;
}

std::optional<Interval> score_interval(const PageData& data, std::size_t row) {
  for (const Standing& standing : data.tests.standings)
    if (standing.row == row && standing.interval) return standing.interval;
  return data.rows.at(row).interval;
}

}  // namespace peftbench::report
