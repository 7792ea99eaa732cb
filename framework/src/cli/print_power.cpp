#include "cli/print_power.h"

#include "cli/print_rows.h"
#include "core/names.h"
#include "report/format.h"
#include "report/render.h"
#include "results/power.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace peftbench::cli {
namespace {

std::string difference_text(double difference) {
  return std::isfinite(difference) ? format_score(difference) : "unknown";
}

}  // namespace

std::string power_text(const SuitePower& power) {
  if (power.tables.empty()) return {};
  Table table({"task", "backbone"});
  for (const char* title : {"rows", "seeds", "examples", "seeds' sd", "at 0.5", "at 0.9"})
    table.columns.push_back(right_column(title));
  table.title = fmt::format(
      "difference of accuracies that the tests find with a probability of {:.0f} %, p < 0.05 after "
      "Holm's adjustment over {} {}",
      100 * planned_power, with_thousands(power.pairs), power.pairs == 1 ? "pair" : "pairs");
  bool assumed = false, single = false;
  for (const TablePower& one : power.tables) {
    assumed |= !one.measured && one.seeds > 1;
    single |= one.seeds == 1;
    const std::string deviation =
        one.seeds == 1 ? Cell::absent : fmt::format("{:.3f}{}", one.seed_deviation, one.measured ? "" : " *");
    table.add({one.task, one.backbone, std::to_string(one.rows), std::to_string(one.seeds),
               one.examples ? with_thousands(*one.examples) : "unknown", deviation, difference_text(one.at_half),
               difference_text(one.at_nine_tenths)});
  }
  std::vector<std::string> lines = {fmt::format(
      "at 0.5, at 0.9: the accuracy of both rows; answers of two methods correlate by {}, of two seeds by {}",
      correlation_of_methods, correlation_of_seeds)};
  if (assumed) lines.emplace_back("* no row has two finished seeds: this standard deviation of scores is assumed");
  if (single)
    lines.emplace_back("with one seed the difference is that of the two runs; of other seeds nothing is known");
  table.notes = {{"assumptions (docs/statistics.md)", std::move(lines)}};
  return render_text(table, page_width());
}

}  // namespace peftbench::cli
