#include "cli/print_rows.h"

#include "cli/console.h"
#include "report/by_task.h"
#include "report/comparison_report.h"
#include "report/pair_table.h"
#include "report/published_rows.h"
#include "report/render.h"
#include "results/benchmark.h"

#include <nlohmann/json.hpp>

#include <utility>

namespace peftbench::cli {

std::size_t page_width() {
  const std::size_t width = terminal_width(1);
  return width ? width : 120;
}

void print_rows(std::vector<ComparisonRow> rows, const std::string& format, bool by_task, const PageOptions& options) {
  for (ComparisonRow& mean : benchmark_rows(rows)) rows.push_back(std::move(mean));
  if (format == "json")
    print_json(by_task ? by_task_json(rows) : comparison_json(rows));
  else if (format == "csv")
    print(by_task ? render_csv(by_task_csv_table(rows)) : comparison_csv(rows));
  else if (format == "markdown")
    print(comparison_markdown(rows, by_task, options));
  else if (format == "latex")
    print(comparison_latex(rows, options));
  else if (format == "html")
    print(comparison_html(rows, options));
  else
    print(comparison_text(rows, page_width(), by_task, options));
  print_warnings(not_shown(rows, options.published));
  if (by_task && tables_by_task(rows).empty()) print_warnings({"no method was run on several tasks of one backbone"});
}

void print_pairs(const std::vector<ComparisonRow>& rows, const TableTests& tests, const std::string& format) {
  if (format == "json") return print_json(render_json(pair_data_table(rows, tests)));
  if (format == "csv") return print(render_csv(pair_data_table(rows, tests)));
  const std::vector<Table> tables = pair_tables(rows, tests);
  if (tests.pairs.empty()) print_warnings({"no pair of rows was tested"});
  if (format == "latex") return print(render_latex(tables));
  if (format == "html") return print(render_html(tables, "peft-bench report: pairs of rows"));
  std::string text;
  for (const Table& table : tables)
    text +=
        (text.empty() ? "" : "\n") + (format == "markdown" ? render_markdown(table) : render_text(table, page_width()));
  print(text);
}

}  // namespace peftbench::cli
