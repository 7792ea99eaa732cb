#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/fetch.h"
#include "commands/ensemble.h"
#include "core/names.h"
#include "report/format.h"
#include "report/render.h"
#include "results/result_store.h"
#include "results/run_record.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <optional>

namespace peftbench::cli {
namespace {

Json metrics_json(const std::vector<MetricRecord>& metrics) {
  Json json = Json::object();
  for (const MetricRecord& metric : metrics) json[metric.name] = metric.value;
  return json;
}

Json as_json(const EnsembleOutcome& outcome) {
  Json members = Json::array(), metrics = Json::array();
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  for (const EnsembleMember& member : outcome.members) {
    members.push_back({{"run", member.run},
                       {"method", member.method},
                       {"seed", member.seed},
                       {"metrics", metrics_json(member.metrics)},
                       {"illegal_rate", or_null(member.illegal_rate)}});
  }
  for (const EnsembleMetric& metric : outcome.metrics) {
    metrics.push_back({{"name", metric.name},
                       {"average", metric.average},
                       {"best", metric.best},
                       {"best_run", metric.best_run},
                       {"ensemble", metric.vote.value},
                       {"low", metric.vote.interval->low},
                       {"high", metric.vote.interval->high},
                       {"majority", or_null(metric.vote.majority)}});
  }
  return {{"task", outcome.task},
          {"backbone", outcome.backbone},
          {"split", outcome.split},
          {"examples", outcome.examples},
          {"members", members},
          {"metrics", metrics},
          {"illegal_rate", or_null(outcome.illegal_rate)},
          {"mean_vote_entropy", outcome.mean_entropy},
          {"unanimous_rate", outcome.unanimous},
          {"seconds", outcome.seconds},
          {"load_seconds", outcome.load_seconds},
          {"warnings", outcome.warnings}};
}

std::string as_text(const EnsembleOutcome& outcome) {
  Table table({""});
  for (const EnsembleMetric& metric : outcome.metrics) table.columns.push_back(right_column(metric.name));
  if (outcome.illegal_rate) table.columns.push_back(right_column("illegal"));
  const auto row = [&](const std::string& name, const auto& value_of, const std::optional<double>& illegal) {
    std::vector<Cell> cells = {name};
    for (std::size_t k = 0; k < outcome.metrics.size(); ++k) cells.emplace_back(format_score(value_of(k)));
    if (outcome.illegal_rate) cells.emplace_back(illegal ? format_percent(*illegal) : "");
    table.add(std::move(cells));
  };
  for (const EnsembleMember& member : outcome.members)
    row(
        member.run, [&](std::size_t k) { return member.metrics[k].value; }, member.illegal_rate);
  row(
      "average", [&](std::size_t k) { return outcome.metrics[k].average; }, std::nullopt);
  row(
      "best", [&](std::size_t k) { return outcome.metrics[k].best; }, std::nullopt);
  row(
      "ensemble", [&](std::size_t k) { return outcome.metrics[k].vote.value; }, outcome.illegal_rate);
  std::string text = fmt::format("{} runs on {}, {} split, {} examples, {}\n\n", outcome.members.size(), outcome.task,
                                 outcome.split, with_thousands(outcome.examples), outcome.backbone) +
                     render_text(table, terminal_width(1)) + "\n";
  for (const EnsembleMetric& metric : outcome.metrics)
    text += fmt::format("{} of the vote: [{}, {}]{}\n", metric.name, format_score(metric.vote.interval->low),
                        format_score(metric.vote.interval->high),
                        metric.vote.majority
                            ? fmt::format(", against {} for a constant answer", format_score(*metric.vote.majority))
                            : "");
  return text + fmt::format(
                    "mean vote entropy {:.3f} bits; all agree on {} of the examples\n"
                    "time {} for forward passes and votes, {} to load\n",
                    outcome.mean_entropy, format_percent(outcome.unanimous), format_duration(outcome.seconds),
                    format_duration(outcome.load_seconds));
}

}  // namespace

int ensemble_command(const std::vector<std::string>& words) {
  Arguments arguments(
      "ensemble",
      "Evaluates several finished runs of one backbone as an ensemble, in one forward pass per batch. The\n"
      "runs vote: the most frequent answer wins; in a tie, the answer of the run listed first.");
  EnsembleRequest request;
  std::vector<std::string> names;
  std::string predictions;
  CLI::App& app = arguments.app();
  app.add_option("RUN", names, "folders or ids of runs")->required()->type_name("");
  app.add_option("--task", request.asked.task, "a task other than the runs'")->type_name("NAME");
  app.add_option("--label-map", request.asked.label_map,
                 "from:to, replaced in answers on another task; may be repeated")
      ->type_name("FROM:TO")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--split", request.asked.split, "test or validation")->type_name("NAME");
  app.add_option("--examples", request.examples, "use only N examples of the split, the same ones every time; 0: all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--threads", request.asked.threads, "CPU threads; 0: as in the first run");
  app.add_option("--device", request.asked.device, "auto, cpu, cuda or cuda:N; default: as in the first run");
  app.add_option("--batch-size", request.asked.batch_size,
                 "batch size in examples × runs, at least one example; 0: as in the first run");
  app.add_option("--predictions", predictions, "write the votes to this file, one JSON object per line")
      ->type_name("FILE");
  arguments.add_out();
  arguments.add_paths();
  arguments.add_json();
  if (!arguments.parse(words)) return 0;
  request.paths = fetching(arguments.paths());
  for (const std::string& name : names) request.runs.push_back(find_run(name, arguments.out()));
  if (!predictions.empty()) request.predictions = predictions;
  ConsoleProgress progress;
  const EnsembleOutcome outcome = ensemble_runs(request, progress);
  progress.clear();
  if (arguments.json())
    print_json(as_json(outcome));
  else
    print(as_text(outcome));
  return 0;
}

}  // namespace peftbench::cli
