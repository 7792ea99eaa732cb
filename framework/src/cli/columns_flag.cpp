#include "cli/columns_flag.h"

#include "cli/console.h"
#include "cli/print_rows.h"
#include "data/task/metric_names.h"
#include "report/render.h"

#include <algorithm>

namespace peftbench::cli {
namespace {

MetricMeanings metric_meanings() {
  MetricMeanings meanings;
  for (const MetricInfo& metric : metric_table())
    meanings.emplace_back(std::string(metric.name), std::string(metric.summary));
  return meanings;
}

}  // namespace

bool lists_columns(const std::vector<std::string>& words) {
  const auto flag = std::find(words.begin(), words.end(), "--columns");
  const bool asked = (flag != words.end() && flag + 1 != words.end() && *(flag + 1) == "help") ||
                     std::find(words.begin(), words.end(), "--columns=help") != words.end();
  if (asked) print(render_text(columns_help(metric_meanings()), page_width()));
  return asked;
}

ColumnChoice chosen_columns(const std::string& flag, const std::vector<std::string>& of_file,
                            const std::string& place) {
  if (!flag.empty()) return choose_columns({flag}, metric_meanings(), "--columns");
  return of_file.empty() ? ColumnChoice() : choose_columns(of_file, metric_meanings(), place);
}

}  // namespace peftbench::cli
