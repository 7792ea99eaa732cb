#include "commands/suite_power.h"

#include "results/power.h"
#include "results/statistics.h"
#include "run/workbench.h"

#include <peftbench/error.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

namespace peftbench::commands {
namespace {

// The runs of one task and backbone.
struct PlannedTable {
  const SuiteRun* first = nullptr;
  std::map<std::string, std::vector<double>> scores;  // of finished runs, by row
  std::optional<std::int64_t> examples;               // of such a run
};

// As a run would score them: the wanted split, or where it has no labelled examples another.
std::optional<std::int64_t> planned_examples(const RunConfig& config, Resources& resources) {
  try {
    const TaskData data = open_task(resources, config);
    for (const std::string& split : {config.options.eval.split, std::string("validation"), std::string("test")}) {
      const TextList& list = split == "test" ? data.test : data.validation;
      if (list.empty() || (split == "test" && !data.test_labelled)) continue;
      const auto count = static_cast<std::int64_t>(list.size());
      return config.options.eval.examples > 0 ? std::min(count, config.options.eval.examples) : count;
    }
  } catch (const Error&) {  // its runs will fail, and say why
  }
  return std::nullopt;
}

// Within rows, of those with several finished seeds.
std::optional<double> pooled_deviation(const PlannedTable& table) {
  double squares = 0, degrees = 0;
  for (const auto& [row, scores] : table.scores) {
    const Summary summary = summarise(scores);
    if (!summary.deviation || !std::isfinite(*summary.deviation)) continue;
    const auto n = static_cast<double>(summary.n - 1);
    squares += n * *summary.deviation * *summary.deviation;
    degrees += n;
  }
  return degrees > 0 ? std::optional(std::sqrt(squares / degrees)) : std::nullopt;
}

}  // namespace

SuitePower suite_power(const SuiteRequest& request, const std::vector<SuiteRun>& runs, const StoredRuns& stored,
                       Resources& resources) {
  std::vector<std::pair<TablePower, PlannedTable>> tables;
  for (const SuiteRun& run : runs) {
    if (!run.cell.message.empty()) continue;  // it cannot be run
    auto table = std::find_if(tables.begin(), tables.end(), [&](const auto& known) {
      return known.first.task == run.cell.task && known.first.backbone == run.cell.backbone;
    });
    if (table == tables.end()) {
      TablePower power;
      power.task = run.cell.task;
      power.backbone = run.cell.backbone;
      power.seeds = static_cast<std::int64_t>(request.spec.seeds.size());
      tables.emplace_back(std::move(power), PlannedTable{&run, {}, {}});
      table = std::prev(tables.end());
    }
    std::vector<double>& scores = table->second.scores[run.cell.row];
    const StoredRun* found = stored.find(run.cell.run);
    if (!found || found->status != "finished") continue;
    const RunRecord record = found->record();
    if (!record.score()) continue;
    scores.push_back(record.score()->value);
    table->second.examples = record.score()->n;
  }
  SuitePower result;
  std::erase_if(tables, [](const auto& table) { return table.second.scores.size() < 2; });
  for (const auto& [power, planned] : tables) {
    const auto rows = static_cast<std::int64_t>(planned.scores.size());
    result.pairs += rows * (rows - 1) / 2;
  }
  for (auto& [power, planned] : tables) {
    power.rows = static_cast<std::int64_t>(planned.scores.size());
    power.examples = planned.examples ? planned.examples : planned_examples(planned.first->config, resources);
    PowerDesign design;
    const std::optional<double> deviation = pooled_deviation(planned);
    power.measured = deviation.has_value();
    power.seed_deviation = deviation.value_or(design.seed_deviation);
    design.seeds = power.seeds;
    design.examples = power.examples.value_or(0);
    design.pairs = result.pairs;
    design.seed_deviation = power.seed_deviation;
    design.accuracy = 0.5;
    power.at_half = detectable_difference(design);
    design.accuracy = 0.9;
    power.at_nine_tenths = detectable_difference(design);
    result.tables.push_back(std::move(power));
  }
  return result;
}

}  // namespace peftbench::commands
