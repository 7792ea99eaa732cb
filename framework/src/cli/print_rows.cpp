#include "cli/print_rows.h"

#include "cli/console.h"
#include "report/comparison_report.h"
#include "results/benchmark.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace peftbench::cli {

std::size_t page_width() {
  const std::size_t width = terminal_width(1);
  return width ? width : 120;
}

void print_rows(std::vector<ComparisonRow> rows, const std::string& format) {
  for (ComparisonRow& mean : benchmark_rows(rows)) rows.push_back(std::move(mean));
  if (format == "json")
    print_json(comparison_json(rows));
  else if (format == "markdown")
    print(comparison_markdown(rows));
  else if (format == "csv")
    print(comparison_csv(rows));
  else
    print(comparison_text(rows, page_width()));
}

}  // namespace peftbench::cli
